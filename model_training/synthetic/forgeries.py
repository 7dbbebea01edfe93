"""Interception by forged ARP, and replay of what was said."""

import msgspec

from model_training.synthetic.home import between
from model_training.synthetic.plot import MOST_FRAMES, Plot
from model_training.synthetic.talk import Connection, ask, converse, down, up
from model_training.synthetic.wire import ACK, ICMP, PSH, TCP, Host, Mark, arp, echo, ipv4, segment


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
