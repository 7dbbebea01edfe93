"""Honest traffic with the world: lookups, pages, video, calls, files."""

import struct
from collections.abc import Sequence
from typing import Final

from model_training.synthetic.habits_inside import cloud_port
from model_training.synthetic.habits_link import boot
from model_training.synthetic.home import Home, between
from model_training.synthetic.talk import Answer, Connection, Say, ask, converse, down, up
from model_training.synthetic.wire import (
    ACK,
    MSS,
    PSH,
    TCP,
    UDP,
    Host,
    datagram,
    ipv4,
    segment,
)

_MOST_QUESTIONS: Final = 400  # of one burst


def lookups(home: Home, who: Host) -> None:
    """Resolve names at the router; some do not exist, some get no answer."""
    rng = home.rng
    server = rng.choice((home.router, home.router, rng.choice(home.world)))
    failing = rng.choice((0, 0, 0, 0.3, 1.0))
    for at in home.times(between(rng, 1, 40), 0.8):
        for kind in (1, 28) if rng.random() < 0.4 else (1,):
            number, name = rng.getrandbits(16), b"\x03api\x06vendor\x07example\x00"
            question = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + name
            bad = rng.random() < failing
            head = struct.pack(">HHHHHH", number, 0x8183 if bad else 0x8180, 1, 1 - bad, 0, 0)
            reply = head + name + rng.randbytes(20)
            ports = (rng.randint(32768, 60999), 53)
            ask(home.tape, at, who, server, ports, question + struct.pack(">HH", kind, 1), reply,
                rtt_s=home.rtt_s(who, server))  # fmt: skip


def bursts_of_questions(home: Home, who: Host) -> None:
    """Ask one server many short questions at once, each from a port of its own: names, times, states.

    As pages of many parts, filters of mail and resolvers for others do; most are answered.
    """
    rng = home.rng
    server = rng.choice((home.router, home.router, rng.choice(home.world), home.someone(who)))
    port, size, answer = (
        rng.choice((53, 53, 53, 123, 161, 5683)),
        rng.randint(30, 60),
        rng.randint(40, 300),
    )
    per_s, seconds, answered = between(rng, 4, 120), between(rng, 0.3, 15), rng.choice((1, 1, 0.8))
    rtt_s = home.rtt_s(who, server)
    for begin_s in home.times(rng.choice((8, 20, 60)), 0.5)[:6]:
        at, count = begin_s, 0
        while at < min(begin_s + seconds, home.seconds) and count < _MOST_QUESTIONS:
            reply = rng.randbytes(answer) if rng.random() < answered else b""
            ports = (rng.randint(32768, 60999), port)
            ask(home.tape, at, who, server, ports, rng.randbytes(size), reply, rtt_s=rtt_s)
            at, count = at + rng.expovariate(per_s), count + 1


def clock(home: Home, who: Host) -> None:
    """Ask for the time."""
    rng = home.rng
    server = rng.choice([home.router, rng.choice(home.world)])
    for at in home.times(between(rng, 8, 64), 0.1):
        source = rng.choice((123, rng.randint(32768, 60999)))
        ask(home.tape, at, who, server, (source, 123), rng.randbytes(48), rng.randbytes(48))


def browsing(home: Home, who: Host) -> None:
    """Open pages: bursts of connections to several servers, with lookups before."""
    rng = home.rng
    for at in home.times(between(rng, 6, 60), 0.8):
        parts = [
            (rng.choice(home.world), rng.choice((443, 443, 80)), 300)
            for _ in range(int(between(rng, 3, 40)))
        ]
        _open_page(home, at, who, parts)


def same_pages(home: Home, who: Host) -> None:
    """Open pages in the clear that others of the home open as well, some parts in the same words."""
    rng = home.rng
    for at in home.times(between(rng, 10, 60), 0.8):
        servers = rng.sample(home.world, min(len(home.world), rng.randint(1, 3)))
        alike = rng.uniform(0.05, 0.3)
        parts: list[tuple[Host, int, bytes | int]] = []
        for _ in range(int(between(rng, 4, 40))):
            size = rng.randint(80, 500)
            request = rng.randbytes(size) if rng.random() < alike else size
            parts.append((rng.choice(servers), rng.choice((80, 80, 8080)), request))
        _open_page(home, at, who, parts)
        for _ in range(rng.randint(0, 3)):
            _open_page(home, at + rng.uniform(0.5, 40), home.someone(who), parts)


def _open_page(
    home: Home, at: float, who: Host, parts: Sequence[tuple[Host, int, bytes | int]]
) -> None:
    rng = home.rng
    for number, (server, port, request) in enumerate(parts):
        when = at + rng.expovariate(8 / (1 + number / 10))
        if number % 3 == 0:
            ask(home.tape, when - 0.02, who, home.router, (rng.randint(32768, 60999), 53),
                rng.randbytes(40), rng.randbytes(90))  # fmt: skip
        if port == 443 and rng.random() < 0.4:
            _quic(home, when, who, server)
            continue
        line = Connection(home.tape, when, who, server, port, rtt_s=home.rtt_s(who, server))
        hello = [up(517), down(2800)] if port == 443 else []
        script = [*hello, up(request), down(int(between(rng, 300, 60000)))]
        converse(line, script, close=rng.choice(("client", "open", "server")))


def _quic(home: Home, at: float, who: Host, server: Host) -> None:
    rng, ports = home.rng, (home.rng.randint(32768, 60999), 443)
    for _ in range(rng.randint(4, 30)):
        at += rng.expovariate(40)
        mine = rng.random() < 0.4
        body = datagram(ports if mine else ports[::-1], rng.randbytes(rng.randint(40, 1200)))
        pair = (who, server) if mine else (server, who)
        home.tape.put(at, ipv4(*pair, UDP, body))


def stream(home: Home, who: Host) -> None:
    """Send video for a while, in one piece or in clips: over UDP, or over TCP with acknowledgements."""
    rng = home.rng
    peer = rng.choice([home.someone(who), rng.choice(home.world)])
    rate = min(between(rng, 20, 900), 9000 / home.seconds)
    if rng.random() < 0.25:  # in the finest quality
        rate = min(between(rng, 200, 1500), 60_000 / home.seconds)
    tcp, answered = rng.random() < 0.4, rng.random() < 0.5
    at = rng.uniform(0, home.seconds / 2)
    end = min(at + rng.uniform(5, home.seconds), home.seconds)
    clip_s = rng.uniform(2, 20) if rng.random() < 0.4 else home.seconds
    while at < end:
        ports = (rng.choice((554, 5004, rng.randint(20000, 60000))), rng.randint(20000, 60000))
        ports = ports[::-1] if rng.random() < 0.4 else ports
        at = _clip(
            home, (who, peer), ports, at, min(at + clip_s, end), rate, tcp=tcp, answered=answered
        )
        at += between(rng, 0.1, 10)


def _clip(
    home: Home, ends: tuple[Host, Host], ports: tuple[int, int], at: float, end: float, rate: float,
    *, tcp: bool, answered: bool,
) -> float:  # fmt: skip
    """Send packets at a rate, each by itself or as pictures; return when it ended."""
    rng, (who, peer) = home.rng, ends
    size, seq, number = rng.randint(200, 1400), rng.getrandbits(31), 0
    together = rng.choice((1, 1, rng.randint(2, 40)))  # packets of a picture follow at once
    while at < end:
        number += 1
        payload = rng.randbytes(size)
        if tcp:
            body = segment(ports, ACK | PSH, seq=seq, payload=payload)
            home.tape.put(at, ipv4(who, peer, TCP, body))
            if number % 2 == 0:
                answer = segment(ports[::-1], ACK, ack=seq + size)
                home.tape.put(at + 0.002, ipv4(peer, who, TCP, answer))
        else:
            home.tape.put(at, ipv4(who, peer, UDP, datagram(ports, payload)))
            if answered and number % 100 == 0:
                answer = datagram(ports[::-1], rng.randbytes(60))
                home.tape.put(at + 0.01, ipv4(peer, who, UDP, answer))
        seq += size
        at += 0.0002 if number % together else together * rng.uniform(0.7, 1.3) / rate
    return at


def call(home: Home, who: Host) -> None:
    """Small datagrams both ways at an even pace: a call, a game, a tunnel."""
    rng = home.rng
    peer, rate = rng.choice([home.someone(who), rng.choice(home.world)]), between(rng, 10, 120)
    ports, size = (
        (rng.randint(20000, 60000), rng.choice((51820, 4500, 3478, 27015, 10000))),
        rng.randint(30, 220),
    )
    begin, end = sorted((rng.uniform(0, home.seconds), rng.uniform(0, home.seconds)))
    for at in home.times(1 / rate, 0.3, begin):
        if at > end:
            break
        home.tape.put(at, ipv4(who, peer, UDP, datagram(ports, rng.randbytes(size))))
        home.tape.put(at + 0.005, ipv4(peer, who, UDP, datagram(ports[::-1], rng.randbytes(size))))


def transfer(home: Home, who: Host) -> None:
    """Move a file: a download, an upload, a backup."""
    rng = home.rng
    peer = rng.choice([home.someone(who), rng.choice(home.world)])
    outgoing = rng.random() < 0.5
    line = Connection(home.tape, rng.uniform(0, home.seconds * 0.8), who, peer,
                      rng.choice((80, 443, 445, 8080, 22, 21, 873)), rtt_s=home.rtt_s(who, peer))  # fmt: skip
    if line.open():
        line.say(up(300))
        for _ in range(rng.randint(2, 30)):
            size = MSS * rng.randint(4, 60)
            line.say(Say(client=outgoing, what=size, pause_s=between(rng, 0.001, 0.3)))
            if line.now_s > home.seconds:
                return
        line.close()


def first_contact(home: Home, who: Host) -> None:
    """Find the world after switching on: lookups, clocks, a burst of connections, some in vain."""
    rng, at = home.rng, home.rng.uniform(0, home.seconds * 0.7)
    boot(home, who)
    ports = [
        cloud_port(rng)
        if rng.random() < 0.3
        else rng.choice((443, 443, 80, 8443, 8883, 3478, 49153, 5222, 123, 9100))
        for _ in range(rng.randint(1, 6))
    ]
    reached = rng.choice((0.0, 0.1, 0.5, 0.8, 0.8, 1.0))  # there may be no way out
    wandering = rng.choice((0.0, 0.0, 0.3, 0.8))  # every name is given as another address
    for number in range(int(between(rng, 3, 40))):
        at += rng.expovariate(rng.choice((1, 4, 12)))
        peer, port = rng.choice(home.world[: rng.randint(1, 16)]), rng.choice(ports)
        if rng.random() < wandering:
            peer = home.outsider("server")
        is_reached = rng.random() < reached
        if number % 4 == 0:
            ask(home.tape, at - 0.05, who, home.router, (rng.randint(32768, 60999), 53), rng.randbytes(40),
                rng.randbytes(80))  # fmt: skip
        if port in {123, 3478}:
            ask(
                home.tape,
                at,
                who,
                peer,
                (rng.randint(32768, 60999), port),
                rng.randbytes(48),
                rng.randbytes(48 * is_reached),
            )
            continue
        line = Connection(home.tape, at, who, peer, port, rtt_s=home.rtt_s(who, peer))
        answer: Answer = "accept" if is_reached else rng.choice(("refuse", "silent", "silent"))
        converse(
            line,
            [up(300), down(900)],
            answer=answer,
            close=rng.choice(("client", "open")),
        )


def scattered_peers(home: Home, who: Host) -> None:
    """Speak UDP with many servers, as cameras that look for a way through routers do."""
    rng = home.rng
    peers = rng.sample(home.world, min(len(home.world), rng.randint(2, 10)))
    source, port = rng.randint(10000, 60000), rng.choice((32100, 3478, 10240, 20000))
    for at in home.times(between(rng, 1, 25), 0.2):
        for peer in peers:
            ask(home.tape, at + rng.random() * 0.2, who, peer, (source, port), rng.randbytes(28),
                rng.randbytes(40) if rng.random() < 0.7 else b"")  # fmt: skip


def punching(home: Home, who: Host) -> None:
    """Look for a way to somebody through routers: datagrams to many ports of a few addresses, until one answers."""
    rng = home.rng
    source, words = rng.randint(10000, 60000), rng.randbytes(rng.choice((4, 28, 44)))
    for at in home.times(between(rng, 15, 120), 0.3):
        for peer in (home.outsider("peer") for _ in range(rng.randint(1, 4))):
            first, step = rng.randint(1024, 60000), rng.choice((1, 1, rng.randint(2, 90)))
            for number in range(int(between(rng, 1, 40))):
                ports = (source, 1024 + (first + step * number) % 64000)
                there = rng.random() < 0.05
                ask(home.tape, at + number * 0.02 + rng.random() * 0.02, who, peer, ports, words,
                    words * there)  # fmt: skip


def swarm(home: Home, who: Host) -> None:
    """Share files with strangers: datagrams to peers all over the world, and calls of which many are in vain."""
    rng, source = home.rng, home.rng.randint(6881, 60000)
    begin = rng.uniform(0, home.seconds * 0.7)
    rate, calls = between(rng, 0.5, 20), rng.uniform(0.05, 0.5)
    known = [home.outsider("peer") for _ in range(rng.randint(5, 80))]
    for at in home.times(1 / rate, 0.9, begin):
        peer = rng.choice(known) if rng.random() < 0.6 else home.outsider("peer")
        port = rng.choice((6881, 51413, rng.randint(1024, 65000)))
        if rng.random() < calls:
            line = Connection(home.tape, at, who, peer, port, rtt_s=home.rtt_s(who, peer))
            answer: Answer = rng.choice(("accept", "refuse", "silent", "silent"))
            converse(line, [up(68), down(68), up(300), down(1400)], answer=answer, close="client")
        else:
            ask(home.tape, at, who, peer, (source, port), rng.randbytes(101),
                rng.randbytes(280) if rng.random() < 0.6 else b"")  # fmt: skip
