"""Bots: the search for the next victim, and calls to whoever gives orders."""

from typing import Final

import msgspec

from model_training.synthetic.guesses import LOGINS, attempt
from model_training.synthetic.home import between
from model_training.synthetic.plot import MOST_FRAMES, Plot
from model_training.synthetic.talk import Answer, ask, converse, down, up
from model_training.synthetic.wire import ACK, RST, SYN, TCP, Host, Mark, arp, segment

_CONTROL_PORTS: Final = (
    6667, 48101, 23, 666, 1312, 9506, 4444, 1337, 9090, 6697, 5555, 31337, 7685, 81, 1791,
)  # fmt: skip


def worm(plot: Plot, low: float = 2, high: float = 600) -> None:
    """Knock on telnet, or what else worms know, all over the world; log in where it opens; call home."""
    rng, home = plot.home.rng, plot.home
    mark = Mark("Botnet", "worm_scan")
    ports = rng.choice(
        (
            (23, 23, 23, 2323),
            (23,),
            (23, 2323),
            (23, 2323),
            (5555,),
            (7547,),
            (37215,),
            (23, 80, 8080),
            (8291,),
            (52869, 23),
            (9527, 23),
            (60001,),
        )
    )
    near, fixed, source = (
        rng.choice((0, 0, 0.05, 0.5, 1.0)),
        rng.random() < 0.6,
        rng.randint(1024, 65000),
    )
    repeats, window = rng.choice((1, 1, 1, 2)), rng.randint(1024, 65535)
    alive = {host.ip: host for host in home.devices}
    for at in plot.moments(between(rng, low, high), MOST_FRAMES // 2):
        is_near = rng.random() < near
        ip = (
            home.subnet + bytes([rng.randint(1, 254)])
            if is_near
            else bytes((rng.choice((5, 24, 61, 88, 113, 187, 201)), *rng.randbytes(3)))
        )
        ports_now = (source if fixed else rng.randint(1024, 65000), rng.choice(ports))
        peer = alive.get(ip)
        if is_near and peer is None:
            home.tape.put(
                at,
                arp(1, plot.attacker, (plot.attacker.mac, plot.attacker.ip), (bytes(6), ip)),
                mark,
            )
            continue
        there = msgspec.structs.replace(plot, victim=peer or Host("", home.router.mac, ip))
        for again in range(repeats):
            there.frame(
                at + again,
                TCP,
                segment(ports_now, SYN, seq=int.from_bytes(ip), window=window),
                mark,
            )
        # Few are there in the world, and who is there at home says at least no.
        if rng.random() < (0.8 if peer else 0.03) and ip != plot.attacker.ip:
            there.reply(
                at + 0.1, TCP, segment(ports_now[::-1], rng.choice((RST | ACK, SYN | ACK))), mark
            )
    if rng.random() < 0.5:
        calling_home(plot)
    if rng.random() < 0.5:
        _try_doors(plot, Mark("Botnet", "worm_login"))


def _try_doors(plot: Plot, mark: Mark) -> None:
    """Guess passwords at one neighbour's telnet, beside the search for others."""
    rng = plot.home.rng
    _, banner, refusal = LOGINS["telnet"]
    for at in plot.moments(between(rng, 0.3, 3), 60):
        script = [down(banner, 0.01), *attempt(rng.random(), "telnet", refusal, 0.1)]
        converse(plot.connect(at, 23, mark), script)


def calling_home(plot: Plot) -> None:
    """Report to a command server: a lasting line, short calls, or calls in vain."""
    rng, home = plot.home.rng, plot.home
    mark, server = Mark("Botnet", "c2"), home.outsider("c2")
    port = rng.choice((rng.choice(_CONTROL_PORTS), rng.randint(1025, 49000)))
    kind, period_s = rng.choice(("line", "calls", "calls", "vain")), between(rng, 0.8, 30)
    size = rng.randint(2, 120)
    plot = msgspec.structs.replace(plot, victim=server)
    line = plot.connect(plot.start_s, port, mark)
    if kind == "line" and line.open():
        line.say(up(rng.randint(4, 40)))
    at = plot.start_s
    while at < min(plot.end_s, home.seconds):
        if kind == "line":
            line.now_s = max(at, line.now_s)
            line.say(up(rng.choice((2, 2, size))), acknowledged=False)
            line.say(down(rng.choice((2, 14, 26))))
        else:
            if rng.random() < 0.4:
                ask(
                    home.tape,
                    at - 0.05,
                    plot.attacker,
                    home.router,
                    (rng.randint(32768, 60999), 53),
                    rng.randbytes(40),
                    rng.randbytes(60),
                    mark=mark,
                )
            answer: Answer = rng.choice(("silent", "refuse")) if kind == "vain" else "accept"
            converse(plot.connect(at, port, mark), [up(size), down(size)], answer=answer)
        at += period_s * rng.uniform(0.8, 1.2)
