"""Floods and slow starvation of services."""

from model_training.synthetic.habits_inside import mqtt_hello
from model_training.synthetic.habits_link import group_of
from model_training.synthetic.home import between
from model_training.synthetic.plot import MOST_FRAMES, Plot
from model_training.synthetic.talk import Close, converse, down, up
from model_training.synthetic.wire import (
    ACK,
    BROADCAST,
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
    datagram,
    echo,
    ipv4,
    numbered,
    opening,
    segment,
    unreachable,
)


def _source(plot: Plot, *, spoofed: bool) -> bytes:
    rng = plot.home.rng
    if not spoofed:
        return b""
    if rng.random() < 0.5 and plot.home.world[0].ip[0] % 2:  # a few sources that come again
        return rng.choice(plot.home.world).ip
    return bytes((rng.choice((1, 5, 23, 77, 99, 133, 180, 201)), *rng.randbytes(3)))


def _flooding(plot: Plot, low: float, high: float) -> list[float]:
    """Return the moments of a flood; a few are as loud as a cable allows."""
    rng = plot.home.rng
    if rng.random() < 0.12:
        return plot.moments(between(rng, high, 10 * high), 4 * MOST_FRAMES)
    return plot.moments(between(rng, low, high))


def _number(plot: Plot) -> int:
    """Return an identification: some tools make one packet and send it for ever."""
    rng = plot.home.rng
    return rng.randint(2, 60_000) if rng.random() < 0.35 else 0


def tcp_flood(plot: Plot) -> None:
    """Flood with bare TCP segments: SYN, ACK, RST, FIN, all flags, with or without data."""
    rng, spoofed = plot.home.rng, plot.home.rng.random() < 0.4
    flags = rng.choice(
        (SYN, SYN, SYN, SYN, ACK, ACK | PSH, RST, RST, FIN, SYN | FIN, URG | PSH | FIN, SYN | ACK)
    )
    answer = rng.choice((SYN | ACK, SYN | ACK, RST | ACK, 0))
    payload = bytes(rng.choice((0, 0, 0, 120, 512, 1400)))
    port, fixed = rng.choice((80, 80, 443, 23, 22, 1883, 8080, 554, 53, 0)), rng.random() < 0.25
    options, source = rng.random() < 0.4, rng.randint(1024, 65000)
    refused = not spoofed and rng.random() < 0.5
    same, ident = rng.random() < 0.3, _number(plot)
    mark = Mark("DOS", "tcp_flood")
    for number, at in enumerate(_flooding(plot, 30, 4000)):
        source = source if fixed else (source + 1) % 65536 if number else rng.randint(1024, 60000)
        ports, seq = (source, port or rng.randint(1, 65535)), 0 if same else rng.getrandbits(32)
        body = (
            opening(plot.attacker, ports, seq)
            if options and flags == SYN
            else segment(ports, flags, seq=seq, payload=payload)
        )
        as_ip = _source(plot, spoofed=spoofed)
        plot.frame(at, TCP, body, mark, as_ip, ident)
        if refused and flags & (SYN | RST) == 0:
            plot.reply(at + plot.rtt_s, TCP, segment(ports[::-1], RST), mark)
        if answer and flags == SYN:
            plot.reply(
                at + plot.rtt_s, TCP, segment(ports[::-1], answer, ack=seq + 1), mark, as_ip
            )
            if answer == SYN | ACK and options and not spoofed and rng.random() < 0.5:
                plot.frame(at + 2 * plot.rtt_s, TCP, segment(ports, RST, seq=seq + 1), mark)


def udp_flood(plot: Plot) -> None:
    """Flood with datagrams, to one port or to all."""
    rng, spoofed = plot.home.rng, plot.home.rng.random() < 0.25
    port, size = (
        rng.choice((53, 123, 1900, 5060, 5683, 137, 80, 0, 0, 0)),
        rng.choice((0, 1, 18, 64, 120, 512, 1024, 1400)),
    )
    source, fixed = rng.randint(1024, 65000), rng.random() < 0.5
    # Empty datagrams to every port, each answered, would be a scan.
    refusing, size = (
        rng.choice((0, 0, 0, 1, 40, 40)) if port else 40,
        size if port else max(size, 64),
    )
    answered = (
        rng.choice((0, 0, 0, 1, 3, 20))
        if port in {53, 123, 1900, 5060, 5683} and not refusing
        else 0
    )
    payload, ident, most = rng.randbytes(size), _number(plot), rng.choice((300, 65535))
    for number, at in enumerate(_flooding(plot, 60, 4000)):
        ports = (source if fixed else rng.randint(1024, 65000), port or rng.randint(1, most))
        as_ip = _source(plot, spoofed=spoofed)
        raw = plot.frame(at, UDP, datagram(ports, payload), Mark("DOS", "udp_flood"), as_ip, ident)
        if answered and number % answered == 0:
            body = datagram(ports[::-1], rng.randbytes(40))
            plot.reply(at + plot.rtt_s, UDP, body, Mark("DOS", "udp_flood"), as_ip)
        if refusing and number % refusing == 0:
            plot.reply(at + plot.rtt_s, ICMP, unreachable(raw), Mark("DOS", "udp_flood"), as_ip)


def icmp_flood(plot: Plot) -> None:
    """Flood with echo requests, small, large or in fragments."""
    rng, spoofed = plot.home.rng, plot.home.rng.random() < 0.3
    size, broken = rng.choice((0, 8, 56, 120, 512, 1000, 1472)), rng.random() < 0.15
    answering, kind = rng.random() < 0.6, rng.choice((8, 8, 8, 8, 3, 13))
    payload = rng.randbytes(size)
    mark = Mark("DOS", "icmp_flood")
    for number, at in enumerate(_flooding(plot, 60, 3000)):
        as_ip = _source(plot, spoofed=spoofed)
        if broken:
            for piece in range(3):
                body = (
                    echo(kind, 0, number, rng.randbytes(1400))
                    if piece == 0
                    else rng.randbytes(1400)
                )
                raw = ipv4(
                    plot.attacker,
                    plot.victim,
                    ICMP,
                    body,
                    fragment=(0x2000 if piece < 2 else 0) | piece * 176,
                )
                plot.home.tape.put(at + piece * 1e-4, raw, mark)
            continue
        plot.frame(at, ICMP, echo(kind, 0, number, payload), mark, as_ip)
        if answering and kind == 8:
            plot.reply(at + plot.rtt_s, ICMP, echo(0, 0, number, payload), mark, as_ip)


def reflection(plot: Plot) -> None:
    """Ask many servers in the victim's name, or shower the victim with their answers."""
    rng = plot.home.rng
    port = rng.choice((53, 123, 1900, 161, 11211, 389))
    reflectors = [plot.home.someone(plot.victim) for _ in range(rng.randint(1, 6))]
    question = rng.randbytes(rng.choice((8, 40, 60)))
    mark = Mark("DOS", "reflection")
    for at in plot.moments(between(rng, 30, 2000)):
        peer = rng.choice(reflectors)
        ports = (rng.choice((80, rng.randint(1024, 65000))), port)
        raw = ipv4(plot.attacker, peer, UDP, datagram(ports, question), as_ip=plot.victim.ip)
        plot.home.tape.put(at, raw, mark)
        if rng.random() < 0.7:
            body = datagram(ports[::-1], rng.randbytes(rng.randint(200, 1400)))
            plot.home.tape.put(at + 0.004, ipv4(peer, plot.victim, UDP, body), mark.answer())


def search_flood(plot: Plot) -> None:
    """Flood everybody with searches and announcements: SSDP, mDNS, NetBIOS, or to whoever listens."""
    rng, mark = plot.home.rng, Mark("DOS", "search_flood")
    ip, port = rng.choice(
        (
            (bytes((239, 255, 255, 250)), 1900),
            (bytes((239, 255, 255, 250)), 1900),
            (b"\xe0\0\0\xfb", 5353),
            (b"\xff" * 4, 137),
            (b"\xff" * 4, rng.randint(1, 65535)),
        )
    )
    everyone, source, fixed = group_of(ip), rng.randint(1024, 65000), rng.random() < 0.6
    body, number = rng.randbytes(rng.choice((50, 94, 125, 310))), _number(plot)
    for at in _flooding(plot, 100, 3000):
        ports = (source if fixed else rng.randint(1024, 65000), port)
        raw = ipv4(plot.attacker, everyone, UDP, datagram(ports, body), ttl=rng.choice((1, 64)))
        plot.home.tape.put(at, numbered(raw, number), mark)


def broadcast_echo(plot: Plot) -> None:
    """Let everybody answer the victim at once: echo requests to the broadcast address in its name."""
    rng, home, mark = plot.home.rng, plot.home, Mark("DOS", "broadcast_echo")
    everyone = Host("everyone", BROADCAST, home.subnet + b"\xff")
    answering = rng.sample(home.devices, min(len(home.devices), rng.randint(0, 4)))
    payload = rng.randbytes(rng.choice((0, 56, 1000)))
    for number, at in enumerate(plot.moments(between(rng, 20, 1500), MOST_FRAMES // 2)):
        body = echo(8, 0, number, payload)
        raw = ipv4(plot.attacker, everyone, ICMP, body, as_ip=plot.victim.ip)
        home.tape.put(at, raw, mark)
        for peer in answering:
            reply = ipv4(peer, plot.victim, ICMP, echo(0, 0, number, payload))
            home.tape.put(at + 0.002, reply, mark.answer())


def syn_reflection(plot: Plot) -> None:
    """Knock at many services in the victim's name, so that their acceptances shower it."""
    rng, home, mark = plot.home.rng, plot.home, Mark("DOS", "syn_reflection")
    peers = [home.someone(plot.victim) for _ in range(rng.randint(1, 6))]
    own = rng.random() < 0.25  # to the victim itself, from its own address
    for at in plot.moments(between(rng, 30, 2000), MOST_FRAMES // 2):
        peer = plot.victim if own else rng.choice(peers)
        ports, seq = (
            (rng.randint(1024, 65000), rng.choice((80, 443, 22, 554))),
            rng.getrandbits(32),
        )
        body = segment(ports, SYN, seq=seq)
        home.tape.put(at, ipv4(plot.attacker, peer, TCP, body, as_ip=plot.victim.ip), mark)
        if not own and rng.random() < 0.8:
            back = segment(ports[::-1], SYN | ACK, ack=seq + 1)
            home.tape.put(at + 0.003, ipv4(peer, plot.victim, TCP, back), mark.answer())


def odd_protocol_flood(plot: Plot) -> None:
    """Flood with tunnelled packets or datagrams in fragments, as bots for hire do."""
    rng, mark = plot.home.rng, Mark("DOS", "odd_protocol_flood")
    protocol, size = rng.choice((47, 47, UDP, UDP, 50)), rng.randint(64, 1400)
    spoofed, ports = rng.random() < 0.3, (rng.randint(1024, 65000), rng.choice((80, 53, 4444)))
    for at in plot.moments(between(rng, 80, 3000), MOST_FRAMES // 2):
        as_ip = _source(plot, spoofed=spoofed)
        if protocol == UDP:
            first = datagram(ports, rng.randbytes(1400))
            for fragment, body in ((0x2000, first), (176, rng.randbytes(size))):
                raw = ipv4(
                    plot.attacker,
                    plot.victim,
                    protocol,
                    body,
                    as_ip=as_ip or None,
                    fragment=fragment,
                )
                plot.home.tape.put(at, raw, mark)
        else:
            plot.frame(at, protocol, b"\0\0\x08\0" + rng.randbytes(size), mark, as_ip)


def request_flood(plot: Plot) -> None:
    """Ask a web server for pages as fast as it goes, a connection each or a few lasting ones."""
    rng, mark = plot.home.rng, Mark("DOS", "http_flood")
    port, size = rng.choice((80, 80, 8080, 443, 5683)), int(between(rng, 60, 20000))
    lasting = rng.random() < 0.4
    asks = rng.choice((12, 90, 200, 400, 1200, 6000))
    rate = between(rng, 150, 1500) if lasting else between(rng, 25, 400)
    request = rng.randbytes(asks) if rng.random() < 0.5 else asks
    lines = (
        [plot.connect(plot.start_s, port, mark) for _ in range(rng.randint(2, 30))]
        if lasting
        else []
    )
    opened = [line for line in lines if line.open()]
    for at in plot.moments(rate, MOST_FRAMES // (2 if lasting else 8)):
        script = [up(request), down(min(size, 1000) if lasting else size)]
        if lasting:
            line = rng.choice(opened)
            line.now_s = max(at, line.now_s)
            for message in script:
                line.say(message, acknowledged=False)
        else:
            line = plot.connect(at, port, mark)
            converse(line, script, close=rng.choice(("client", "server", "reset")),
                     answer="accept" if rng.random() < 0.95 else "refuse")  # fmt: skip


def connection_flood(plot: Plot) -> None:
    """Use up a server's connections: opened and left, or opened, greeted and closed."""
    rng, mark = plot.home.rng, Mark("DOS", "connection_flood")
    port = rng.choice((1883, 1883, 80, 22, 23, 502, 8883, 443))
    close: Close = rng.choice(("open", "reset", "client"))
    hello = mqtt_hello(rng, 8) if rng.random() < 0.2 else rng.randint(14, 60)
    script = [up(hello), down(4)] if rng.random() < 0.5 else []
    for at in plot.moments(between(rng, 20, 400), MOST_FRAMES // 6):
        converse(plot.connect(at, port, mark), script, close=close)


def message_flood(plot: Plot) -> None:
    """Publish to a broker, or write to a controller, without end."""
    rng, mark = plot.home.rng, Mark("DOS", "message_flood")
    lines = [
        plot.connect(plot.start_s, rng.choice((1883, 1883, 502, 5222)), mark)
        for _ in range(rng.choice((1, 1, 5, 20)))
    ]
    opened = [line for line in lines if line.open()]
    size, acknowledged = int(between(rng, 20, 2000)), rng.random() < 0.5
    rate = between(rng, 60, 3000)
    if rng.random() < 0.2:  # a few large ones
        size, rate = int(between(rng, 20_000, 60_000)), between(rng, 20, 100)
    for at in plot.moments(rate, MOST_FRAMES // (1 + size // 1000)):
        line = rng.choice(opened)
        line.now_s = max(at, line.now_s)
        line.say(up(size), acknowledged=not acknowledged)
        if acknowledged:
            line.say(down(4))


def slow_requests(plot: Plot) -> None:
    """Hold many connections with requests that never end."""
    rng, mark = plot.home.rng, Mark("DOS", "slow_requests")
    sockets, pause_s = int(between(rng, 30, 400)), rng.choice((1, 3, 5, 10, 10, 15, 15))
    port, fast = rng.choice((80, 80, 80, 443, 8080)), between(rng, 8, 400)
    first, size = rng.choice((20, 120, 230)), rng.choice((1, 8, 12, 20))
    patience_s = rng.choice((20, 60, 1000))
    end_s = min(plot.end_s, plot.home.seconds)
    for number in range(sockets):
        line = plot.connect(plot.start_s + number / fast, port, mark)
        while line.now_s < end_s and line.open():
            line.say(up(first))
            until = line.now_s + patience_s
            while line.now_s < min(until, end_s - pause_s):
                line.say(up(size, pause_s * rng.uniform(0.9, 1.1)))
            line.close("server" if line.now_s < end_s - pause_s else "open")
            if line.now_s >= end_s - pause_s:
                break
            line = plot.connect(line.now_s + 0.05, port, mark)
