"""Interception by forged ARP, and replay of what was said."""

import msgspec

from model_training.synthetic.home import between
from model_training.synthetic.plot import MOST_FRAMES, Plot
from model_training.synthetic.talk import Connection, ask, converse, down, up
from model_training.synthetic.wire import (
    ACK,
    BROADCAST,
    ICMP,
    PSH,
    TCP,
    UDP,
    Host,
    Mark,
    Tape,
    arp,
    datagram,
    echo,
    ipv4,
    link_local,
    neighbour6,
    numbered,
    segment,
)


def interception(plot: Plot) -> None:
    """Forge ARP towards one or both of two hosts, and pass their traffic on, or not."""
    rng, home, me = plot.home.rng, plot.home, plot.attacker
    one, other = plot.victim, rng.choice([home.router, home.someone(plot.victim, me)])
    mark, period_s = Mark("MITM", "forged_arp"), between(rng, 0.03, 10)
    two_way, operation = rng.random() < 0.65, rng.choice((2, 2, 2, 1))
    to_all = rng.random() < 0.1
    pairs = [(one, other), (other, one)] if two_way else [(one, other)]
    asking, unseen = rng.random() < 0.4, rng.random() < 0.15  # a place that shows no ARP
    for at in [] if unseen else plot.moments(1 / period_s, MOST_FRAMES // 4):
        for target, claimed in pairs:
            asked = (target.mac if operation == 2 else bytes(6), target.ip)
            raw = arp(
                operation, me, (me.mac, claimed.ip), asked, b"\xff" * 6 if to_all else target.mac
            )
            home.tape.put(at, raw, mark)
            if operation == 1:
                back = arp(2, target, (target.mac, target.ip), (me.mac, claimed.ip), me.mac)
                home.tape.put(at + 0.001, back, mark.answer())
            if asking and rng.random() < 0.2:
                home.tape.put(at - 0.01, arp(1, me, (me.mac, me.ip), (bytes(6), target.ip)))
                home.tape.put(
                    at - 0.009, arp(2, target, (target.mac, target.ip), (me.mac, me.ip), me.mac)
                )
    _relay(plot, one, other, two_way=two_way)


def _relay(plot: Plot, one: Host, other: Host, *, two_way: bool) -> None:
    """Lead the traffic of two hosts through the attacker."""
    rng, home, me = plot.home.rng, plot.home, plot.attacker
    if rng.random() < 0.25:
        return  # the victims are silent
    passing = rng.random() < 0.8
    far = other.mac == home.router.mac
    peer = rng.choice(home.world) if far else other
    ports = (rng.randint(32768, 60999), rng.choice((80, 443, 1883, 53)))
    for at in plot.moments(between(rng, 0.5, 60), MOST_FRAMES // 4):
        forth = rng.random() < 0.5
        src, dst = (one, peer) if forth else (peer, one)
        body = segment(
            ports if forth else ports[::-1],
            ACK | PSH,
            seq=int(at * 1000),
            payload=rng.randbytes(rng.randint(1, 800)),
        )
        caught = forth or two_way
        raw = ipv4(src, dst, TCP, body, to_mac=me.mac if caught else None)
        home.tape.put(at, raw, Mark("MITM", "intercepted_to_attacker") if caught else Mark())
        if caught and passing:
            carrier = msgspec.structs.replace(me, ttl=src.ttl - 1)
            home.tape.put(
                at + 0.001,
                ipv4(carrier, dst, TCP, body, as_ip=src.ip),
                Mark("MITM", "relayed_by_attacker"),
            )
            if rng.random() < 0.02:
                home.tape.put(
                    at,
                    ipv4(me, src, ICMP, echo(5, 1, 0, raw[14:42])),
                    Mark("MITM", "icmp_redirect"),
                )


def name_forging(plot: Plot) -> None:
    """Answer the victim's questions for names before the resolver does."""
    rng, home, mark = plot.home.rng, plot.home, Mark("MITM", "forged_dns_answer")
    first = rng.random() < 0.7
    for at in plot.moments(between(rng, 0.15, 4), 200):
        ports, number = (rng.randint(32768, 60999), 53), rng.randbytes(2)
        question = number + b"\1\0\0\1\0\0\0\0\0\0" + b"\3api\6vendor\7example\0\0\1\0\1"
        answer = number + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:] + rng.randbytes(16)
        home.tape.put(at, ipv4(plot.victim, home.router, UDP, datagram(ports, question)))
        forged = ipv4(
            plot.attacker, plot.victim, UDP, datagram(ports[::-1], answer), as_ip=home.router.ip
        )
        home.tape.put(at + (0.001 if first else 0.02), forged, mark)
        true = answer[:-16] + rng.randbytes(16)
        home.tape.put(at + 0.01, ipv4(home.router, plot.victim, UDP, datagram(ports[::-1], true)))


def rogue_leases(plot: Plot) -> None:
    """Give out addresses beside the honest server, in a race with it."""
    rng, home, mark = plot.home.rng, plot.home, Mark("MITM", "rogue_dhcp_server")
    everyone = Host("all", BROADCAST, b"\xff" * 4)
    server = home.router if home.lease_server == plot.attacker else home.lease_server
    racing, winning = rng.choice((1.0, 1.0, 0.5)), rng.random() < 0.5
    for honest, at in [
        (True, 0.2),
        *((False, at) for at in plot.moments(between(rng, 0.1, 2), 60)),
    ]:
        client = home.stranger("client")
        head = (
            b"\1\6\0" + rng.randbytes(4) + bytes(20) + client.mac + bytes(202) + rng.randbytes(60)
        )
        for step in range(2):
            asking = datagram((68, 67), b"\1" + head)
            home.tape.put(at + step * 0.2, ipv4(client, everyone, UDP, asking, as_ip=bytes(4)))
            offer = datagram((67, 68), b"\2" + head)
            if honest or rng.random() < racing:
                home.tape.put(at + step * 0.2 + 0.03, ipv4(server, client, UDP, offer))
            if not honest:
                raw = ipv4(plot.attacker, client, UDP, offer)
                home.tape.put(at + step * 0.2 + (0.01 if winning else 0.05), raw, mark)


def rogue_router(plot: Plot) -> None:
    """Claim to be the router of IPv6, or a neighbour's address, over and over."""
    rng, home, me = plot.home.rng, plot.home, plot.attacker
    mark, claiming = Mark("MITM", "rogue_neighbour_discovery"), rng.random() < 0.35
    victim = link_local(home.router)
    home.tape.put(0.1, neighbour6(home.router, 136, bytes(4) + victim))
    if rng.random() < 0.8:
        for at in home.times(between(rng, 8, 60), 0.1, 0.2):
            home.tape.put(at, neighbour6(home.router, 134, rng.randbytes(36)))
    for at in plot.moments(between(rng, 0.2, 20), 600):
        body = b"\x20\0\0\0" + victim + b"\2\1" + me.mac if claiming else rng.randbytes(36)
        home.tape.put(at, neighbour6(me, 136 if claiming else 134, body), mark)


def redirecting(plot: Plot) -> None:
    """Tell the victim by ICMP that the way leads through the attacker."""
    rng, home, mark = plot.home.rng, plot.home, Mark("MITM", "icmp_redirect")
    for at in plot.moments(between(rng, 0.2, 20), 600):
        peer = rng.choice(home.world)
        seen = ipv4(plot.victim, peer, UDP, datagram((rng.randint(1024, 60000), 443), bytes(8)))
        body = echo(5, 1, 0, seen[14:42])
        spoofed = home.router.ip if rng.random() < 0.5 else None
        home.tape.put(at, ipv4(plot.attacker, plot.victim, ICMP, body, as_ip=spoofed), mark)


def replay(plot: Plot) -> None:
    """Send what another host sent, or the same host sent before, once more and once more."""
    rng, home = plot.home.rng, plot.home
    port = rng.choice((5683, 1883, 9999, 38899, 502))
    borrowed = rng.random() < 0.7
    owner = home.someone(plot.attacker, plot.victim) if borrowed else plot.attacker
    what = [rng.randbytes(rng.randint(14, 90)) for _ in range(rng.randint(1, 3))]
    tape, mark = home.tape, Mark("Replay", "replayed")
    udp = port in {5683, 38899}
    first = plot.start_s - rng.uniform(2, 8)
    pause_s, local = between(rng, 0.08, 8), rng.randint(32768, 60999)
    occasions = [(max(first, 0.1), owner, Mark())]
    occasions += [
        (at, plot.attacker, mark) for at in plot.moments(1 / pause_s, rng.randint(3, 60))
    ]
    for at, sender, said in occasions:
        if udp:
            for number, payload in enumerate(what):
                source = local if rng.random() < 0.5 else rng.randint(32768, 60999)
                ask(
                    tape,
                    at + number * 0.02,
                    sender,
                    plot.victim,
                    (source, port),
                    payload,
                    rng.randbytes(12),
                    mark=said,
                )
        else:
            line = Connection(tape, at, sender, plot.victim, port, mark=said, rtt_s=home.lan_rtt_s)
            converse(
                line,
                [
                    message
                    for payload in what
                    for message in (up(payload), down(4 if port == 1883 else 40))
                ],
            )


def resent_frames(plot: Plot) -> None:
    """Put the very frames of an exchange that was recorded before on the wire again."""
    rng, home = plot.home.rng, plot.home
    owner = home.someone(plot.attacker, plot.victim)
    recording = Tape(rng)
    said_s = max(plot.start_s - rng.uniform(4, 12), 0.1)
    what = rng.randbytes(rng.randint(14, 90))
    if rng.random() < 0.5:
        ports = (rng.randint(32768, 60999), rng.choice((5683, 38899)))
        ask(recording, said_s, owner, plot.victim, ports, what, rng.randbytes(12))
    else:
        port = rng.choice((1883, 9999, 502))
        line = Connection(recording, said_s, owner, plot.victim, port, rtt_s=home.lan_rtt_s)
        converse(line, [up(what), down(40)])
    number, mark = rng.randint(1, 60_000), Mark("Replay", "resent")
    frames = [(at, numbered(raw, number + n)) for n, (at, raw, _) in enumerate(recording.frames)]
    for at, raw in frames:
        home.tape.put(at, raw)
    mine = [(at, raw) for at, raw in frames if raw[6:12] == owner.mac]
    own_mac = rng.random() < 0.3
    pace = rng.choice((1.0, 1.0, 4.0))  # times as fast as they were said
    for again_s in plot.moments(1 / between(rng, 0.3, 6), rng.randint(2, 40)):
        for at, raw in mine:
            sent = raw[:6] + plot.attacker.mac + raw[12:] if own_mac else raw
            home.tape.put(again_s + (at - said_s) / pace, sent, mark)
