"""Scans: of one host, of a network, of what runs on open ports."""

import msgspec

from model_training.synthetic.home import between
from model_training.synthetic.plot import MOST_FRAMES, Plot
from model_training.synthetic.talk import converse, down, up
from model_training.synthetic.wire import (
    ACK,
    FIN,
    ICMP,
    PSH,
    RST,
    SYN,
    TCP,
    UDP,
    URG,
    Host,
    Mark,
    arp,
    datagram,
    echo,
    segment,
    unreachable,
)


def port_scan(plot: Plot, low: float = 4, high: float = 3000) -> None:
    """Try the ports of one host."""
    rng, mark = plot.home.rng, Mark("Scan", "port_scan")
    kind = rng.choice(
        (
            "syn", "syn", "syn", "connect", "connect", "fin", "null", "xmas", "ack", "udp", "protocols",
        )
    )  # fmt: skip
    flags = {"syn": SYN, "fin": FIN, "null": 0, "xmas": FIN | PSH | URG, "ack": ACK}.get(kind, SYN)
    ports = (
        rng.sample(range(1, rng.choice((101, 1025, 1025, 10000, 65536))), 100)
        if rng.random() < 0.1
        else list(range(1, rng.choice((1025, 1025, 4000, 65536))))
    )
    ports = list(range(256)) if kind == "protocols" else ports
    if rng.random() < 0.8:
        rng.shuffle(ports)
    silent, open_share = rng.random() < 0.35, rng.choice((0.002, 0.01, 0.05))
    source, varying = rng.randint(32768, 60999), rng.random() < 0.4
    rate, eager, most = between(rng, low, high), rng.random() < 0.3, MOST_FRAMES // 3
    if high > 1000 and rng.random() < 0.25:  # as fast as a cable allows, and for seconds
        rate, most = rate * 10, rng.choice((1, 4, 8)) * most
    for number, at in enumerate(plot.moments(rate, min(len(ports), most))):
        port, is_open = ports[number], rng.random() < open_share
        source = rng.randint(32768, 60999) if varying else source
        if kind == "connect":
            line = plot.connect(at, port, mark)
            converse(line, [], close=rng.choice(("client", "reset")),
                     answer="accept" if is_open else "silent" if silent else "refuse")  # fmt: skip
        elif kind == "protocols":
            raw = plot.frame(at, port, b"", mark)
            if not silent and rng.random() < min(1.0, 30 / rate):
                plot.reply(at + plot.rtt_s, ICMP, unreachable(raw), mark)
        elif kind == "udp":
            raw = plot.frame(
                at, UDP, datagram((source, port), rng.randbytes(rng.choice((0, 0, 12, 40)))), mark
            )
            if not silent and not is_open and (eager or rng.random() < min(1.0, 30 / rate)):
                plot.reply(at + plot.rtt_s, ICMP, unreachable(raw), mark)
        else:
            _probe(
                plot,
                at,
                (source, port),
                flags,
                mark,
                answer=not silent or is_open,
                is_open=is_open,
            )


def _probe(
    plot: Plot, at: float, ports: tuple[int, int], flags: int, mark: Mark, *, answer: bool, is_open: bool
) -> None:  # fmt: skip
    seq = plot.home.rng.getrandbits(32)
    plot.frame(at, TCP, segment(ports, flags, seq=seq, window=1024), mark)
    if is_open and flags == SYN:
        plot.reply(at + plot.rtt_s, TCP, segment(ports[::-1], SYN | ACK, ack=seq + 1), mark)
        plot.frame(at + 2 * plot.rtt_s, TCP, segment(ports, RST, seq=seq + 1), mark)
    elif answer and not is_open:
        plot.reply(at + plot.rtt_s, TCP, segment(ports[::-1], RST | ACK, ack=seq + 1), mark)
    elif flags == SYN and plot.home.rng.random() < 0.3:
        plot.frame(
            at + 1.0, TCP, segment((ports[0] + 1, ports[1]), flags, seq=seq, window=1024), mark
        )


def slow_scan(plot: Plot) -> None:
    """Try the ports of one host, patiently."""
    port_scan(plot, 0.2, 4)


def sweep(plot: Plot, low: float = 4, high: float = 1500) -> None:
    """Look for hosts of the network: by ARP, by ping, by one or a few ports."""
    rng, mark, home = plot.home.rng, Mark("Scan", "sweep"), plot.home
    kind = rng.choice(("arp", "arp", "ping", "tcp", "tcp", "tcp", "udp"))
    ports = rng.sample(
        (80, 443, 22, 1883, 554, 8080, 445, 3389, 21, 502, 5683, 8883), rng.choice((1, 1, 2, 4))
    )
    ports += [23] if len(ports) > 1 and rng.random() < 0.5 else []
    alive = {host.ip: host for host in (*home.devices, home.router)}
    octets = list(range(1, 255))
    if rng.random() < 0.5:
        rng.shuffle(octets)
    targets = [(home.subnet + bytes([octet]), port) for port in ports for octet in octets]
    away, source = rng.random() < 0.3, rng.randint(32768, 60999)
    if away and kind != "arp":
        targets = [
            (bytes((rng.choice((10, 100, 172)), *rng.randbytes(3))), port) for _, port in targets
        ]
    for (ip, port), at in zip(
        targets, plot.moments(between(rng, low, high), len(targets)), strict=False
    ):
        peer = alive.get(ip)
        if kind == "arp" or (not away and peer is None and not plot.attacker.remote):
            home.tape.put(
                at,
                arp(1, plot.attacker, (plot.attacker.mac, plot.attacker.ip), (bytes(6), ip)),
                mark,
            )
            if peer and peer.ip != plot.attacker.ip:
                raw = arp(
                    2,
                    peer,
                    (peer.mac, peer.ip),
                    (plot.attacker.mac, plot.attacker.ip),
                    plot.attacker.mac,
                )
                home.tape.put(at + 0.001, raw, mark.answer())
            continue
        target = peer or Host("", home.router.mac, ip)
        if target.ip != plot.attacker.ip:
            _knock(
                msgspec.structs.replace(plot, victim=target),
                at,
                (kind, source, port),
                mark,
                there=peer is not None,
            )


def _knock(plot: Plot, at: float, how: tuple[str, int, int], mark: Mark, *, there: bool) -> None:
    kind, source, port = how
    if kind == "ping":
        plot.frame(at, ICMP, echo(8, 0, source, bytes(8)), mark)
        if there:
            plot.reply(at + plot.rtt_s, ICMP, echo(0, 0, source, bytes(8)), mark)
    elif kind == "udp":
        plot.frame(at, UDP, datagram((source, port), plot.home.rng.randbytes(30)), mark)
    else:
        _probe(
            plot,
            at,
            (source, port),
            SYN,
            mark,
            answer=there,
            is_open=there and plot.victim.ip[3] % 4 == 0,
        )


def slow_sweep(plot: Plot) -> None:
    """Look for hosts, patiently."""
    sweep(plot, 0.3, 4)


def version_scan(plot: Plot) -> None:
    """Ask a few open ports what runs there, several times in several ways."""
    rng, mark = plot.home.rng, Mark("Scan", "version_scan")
    ports = rng.sample(
        (21, 22, 23, 25, 53, 80, 110, 139, 443, 445, 554, 1883, 5000, 8080, 9999),
        rng.randint(3, 10),
    )
    for port, at in zip(ports, plot.moments(between(rng, 10, 200), len(ports)), strict=False):
        _probe(
            plot,
            at,
            (rng.randint(32768, 60999), port),
            SYN,
            mark,
            answer=True,
            is_open=rng.random() < 0.8,
        )
    lag_s = rng.choice((0.05, 0.5, 5.0))
    for port in ports:
        at = plot.start_s + 0.5 + rng.random()
        for number in range(rng.randint(1, 8)):
            if at > plot.home.seconds:
                return
            script = [down(40, 0.01)] if number == 0 else [up(rng.randint(4, 120)), down(200)]
            at = lag_s * rng.random() + converse(
                plot.connect(at, port, mark), script, close=rng.choice(("client", "reset"))
            )
