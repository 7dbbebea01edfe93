"""Honest conversations with services: telemetry, polling, commands, logins, and their failures."""

from collections.abc import Callable
from random import Random
from typing import Final

from model_training.synthetic.home import Home, between
from model_training.synthetic.talk import Answer, Close, Connection, Say, ask, converse, down, up
from model_training.synthetic.wire import Host

MQTT_REFUSAL: Final = b"\x20\x02\x00\x05"  # not authorized
CLOUD_PORTS: Final = (443, 443, 443, 8883, 8886, 5228, 6668, 80, 8080, 32100, 9543, 7777)


def telemetry(home: Home, who: Host) -> None:
    """Publish readings by MQTT on a lasting connection."""
    rng = home.rng
    broker = rng.choice([home.someone(who), rng.choice(home.world)])
    line = Connection(
        home.tape, rng.uniform(-1, 4), who, broker, rng.choice((1883, 1883, 8883)),
        rtt_s=home.rtt_s(who, broker),
    )  # fmt: skip
    if line.now_s > 0:
        line.open()
        line.say(up(rng.choice((rng.randint(14, 60), mqtt_hello(rng, 10)))))
        line.say(down(b"\x20\x02\x00\x00"))
    size, acknowledged = rng.randint(20, 300), rng.random() < 0.5
    same = rng.randbytes(size) if rng.random() < 0.2 else None
    for at in home.times(between(rng, 0.3, 30), rng.choice((0.02, 0.3))):
        if at > line.now_s > 0 or line.now_s <= 0:
            line.now_s = at
            line.say(up(same or size), acknowledged=not acknowledged)
            if acknowledged:
                line.say(down(4))


def mqtt_hello(rng: Random, length: int) -> bytes:
    """Return an MQTT CONNECT with user name and password."""
    return (
        b"\x10"
        + bytes([20 + length])
        + b"\x00\x04MQTT\x04\xc2\x00\x3c"
        + rng.randbytes(8 + length)
    )


def cloud_port(rng: Random) -> int:
    """Return where a vendor's service listens: mostly a usual port, not seldom one of its own."""
    return rng.randint(1025, 49000) if rng.random() < 0.25 else rng.choice(CLOUD_PORTS)


def report(home: Home, who: Host) -> None:
    """Open a connection to a cloud now and then, say something, hear something, close."""
    rng = home.rng
    cloud, port = rng.choice(home.world[:3]), cloud_port(rng)
    asked, told = int(between(rng, 60, 4000)), int(between(rng, 60, 20000))
    close: Close = rng.choice(("client", "server", "reset"))
    request = _request(home) if port == 80 else lambda: asked
    for at in home.times(between(rng, 2 if port in CLOUD_PORTS else 25, 90), 0.3):
        line = Connection(home.tape, at, who, cloud, port, rtt_s=home.rtt_s(who, cloud))
        hello = [up(240), down(1400), up(120)] if port != 80 else []
        converse(line, [*hello, up(request()), down(told)], close=close)


def heartbeat(home: Home, who: Host) -> None:
    """Keep a connection alive with small messages."""
    rng = home.rng
    peer = rng.choice([*home.world, home.someone(who)])
    opened_s = rng.choice((0.0, rng.uniform(0, home.seconds / 2)))
    line = Connection(home.tape, opened_s, who, peer, cloud_port(rng), rtt_s=home.rtt_s(who, peer))
    if rng.random() < 0.7:
        line.open()
    asked, told = rng.randint(2, 120), rng.randint(2, 120)
    for at in home.times(between(rng, 1, 60), rng.choice((0.01, 0.2)), line.now_s + 0.5):
        line.now_s = max(at, line.now_s)
        line.say(up(asked), acknowledged=False)
        line.say(down(told))


POLLED: Final = (80, 80, 8080, 554, 9999, 502, 8081, 443, 5000)


def poll(home: Home, who: Host) -> None:
    """Ask a device of the home the same thing again and again, a connection each time or one for all."""
    rng = home.rng
    peer, port = (
        home.servers[rng.randrange(len(home.servers))]
        if rng.random() < 0.5
        else (home.someone(who), rng.choice(POLLED))
    )
    if peer.ip == who.ip:
        return
    size = int(between(rng, 60, 30000))
    lasting = rng.random() < 0.5
    request = _request(home)
    line = Connection(home.tape, 0, who, peer, port, rtt_s=home.rtt_s(who, peer))
    if lasting:
        line.open()
    for at in home.times(between(rng, 0.15 if lasting else 0.7, 30), rng.choice((0.02, 0.3))):
        if lasting:
            line.now_s = max(at, line.now_s)
            line.say(up(request()), acknowledged=False)
            line.say(down(min(size, 3000)))
        else:
            line = Connection(home.tape, at, who, peer, port, rtt_s=home.rtt_s(who, peer))
            script = [up(request()), down(size)]
            converse(line, script, close=rng.choice(("client", "server")))


def polling_many(home: Home, who: Host) -> None:
    """Look after many devices, as the centre of a home does: each asked the same, again and again."""
    rng = home.rng
    peers = rng.sample(home.devices, min(len(home.devices), rng.randint(2, 12)))
    port, request, size = rng.choice(POLLED), _request(home), int(between(rng, 60, 4000))
    lasting = {peer.ip: rng.random() < 0.3 for peer in peers}
    lines: dict[bytes, Connection] = {}
    for at in home.times(between(rng, 0.05, 2), rng.choice((0.05, 0.8))):
        peer = rng.choice(peers)
        if peer.ip == who.ip:
            continue
        line = lines.get(peer.ip)
        if line is None or not lasting[peer.ip]:
            line = Connection(home.tape, at, who, peer, port, rtt_s=home.rtt_s(who, peer))
            if not line.open():
                continue
            lines[peer.ip] = line
        line.now_s = max(at, line.now_s)
        line.say(up(request()), acknowledged=False)
        line.say(down(size))
        if not lasting[peer.ip]:
            line.close("client")


def parallel_lines(home: Home, who: Host) -> None:
    """Hold several connections to one server or a few, all of them talking now and then."""
    rng = home.rng
    peers = rng.sample([*home.devices, *home.world], rng.randint(1, 2))
    port, request, size = (
        rng.choice((80, 443, 1883, 8080, 554)),
        _request(home),
        int(between(rng, 8, 3000)),
    )
    lines = []
    for _ in range(int(between(rng, 2, 24))):
        peer = rng.choice(peers)
        line = Connection(
            home.tape, rng.uniform(0, 5), who, peer, port, rtt_s=home.rtt_s(who, peer)
        )
        if peer.ip != who.ip and (rng.random() < 0.4 or line.open()):
            lines.append(line)
    period_s = between(rng, 0.05, 2)
    for at in home.times(period_s, 0.9) if lines else []:
        line = rng.choice(lines)
        line.now_s = max(at, line.now_s)
        line.say(up(request()), acknowledged=False)
        line.say(down(size))


def concentrating(home: Home, who: Host) -> None:
    """Speak for many devices, as bridges and translators of addresses do: many lines to one server.

    Each line has a pace of its own, and another begins where one ends.
    """
    rng = home.rng
    peer = rng.choice([home.someone(who), rng.choice(home.world)])
    port = rng.choice((1883, 1883, 1883, 8883, 443, 5683, 502))
    rtt_s, count, lasting_s = (
        home.rtt_s(who, peer),
        int(between(rng, 8, 90)),
        rng.choice((6, 15, 40, 1000)),
    )
    period_s = max(between(rng, 0.3, 10), count * home.seconds / 3000)
    hello, size, answer = rng.randint(14, 60), rng.randint(12, 300), rng.choice((0, 4, 4, 200))
    for _ in range(count):
        # Some were there before anybody watched.
        line = Connection(home.tape, rng.uniform(-lasting_s, 0), who, peer, port, rtt_s=rtt_s)
        until_s, pace_s = (
            line.now_s + lasting_s * rng.uniform(0.7, 1.3),
            period_s * rng.uniform(0.5, 2),
        )
        while line.now_s < home.seconds:
            if line.now_s < 0:
                line.now_s += pace_s
            elif line.now_s < until_s:
                line.say(up(size, pace_s * rng.uniform(0.8, 1.2)), acknowledged=not answer)
                if answer:
                    line.say(down(answer))
            else:
                line.close(rng.choice(("client", "server")))
                line = Connection(home.tape, line.now_s + 0.05, who, peer, port, rtt_s=rtt_s)
                line.open()
                line.say(up(hello))
                line.say(down(4))
                until_s = line.now_s + lasting_s * rng.uniform(0.7, 1.3)


def conversing(home: Home, who: Host) -> None:
    """Ask a server question after question on a few lasting lines, as programs ask databases: in bursts."""
    rng = home.rng
    peer = rng.choice([home.someone(who), rng.choice(home.world)])
    port, size, answer = (
        rng.choice((3306, 5432, 6379, 502, 8086, 443)),
        rng.randint(12, 300),
        int(between(rng, 20, 3000)),
    )
    lines = [
        Connection(home.tape, rng.uniform(0, 3), who, peer, port, rtt_s=home.rtt_s(who, peer))
        for _ in range(rng.choice((1, 1, 3, 8)))
    ]
    if not [line for line in lines if line.open()]:
        return
    pause_s = between(rng, 0.001, 0.1)
    for begin_s in home.times(between(rng, 4, 40), 0.5)[:8]:
        line = rng.choice(lines)
        line.now_s = max(begin_s, line.now_s)
        for _ in range(rng.randint(3, 300)):
            line.say(up(size, pause_s * rng.random()), acknowledged=False)
            line.say(down(answer), acknowledged=False)


def _request(home: Home) -> Callable[[], bytes | int]:
    """Return what makes requests: what everybody here says, a few of one's own, or always another."""
    rng = home.rng
    size = rng.choice((12, 60, 160, 400))
    words = [rng.randbytes(size) for _ in range(rng.choice((0, 1, 1, 3)))]
    if rng.random() < 0.6:
        words = home.phrases[: rng.randint(1, 4)]
    return lambda: rng.choice(words) if words else size


def controlling(home: Home, who: Host) -> None:
    """Send commands of a small vocabulary now and then, over UDP or short connections."""
    rng = home.rng
    peer = home.someone(who)
    words = [rng.randbytes(rng.randint(20, 120)) for _ in range(rng.randint(1, 5))]
    if rng.random() < 0.3:
        words, peer = home.phrases, home.servers[0][0]
    port = rng.choice((5683, 1883, 9999, 38899))
    if peer.ip == who.ip:
        return
    for at in home.times(between(rng, 2, 30), 0.5):
        if port in {5683, 38899}:
            head = rng.randbytes(4) if rng.random() < 0.8 else b"\x40\x03\x00\x01"
            ask(
                home.tape,
                at,
                who,
                peer,
                (rng.randint(32768, 60999), port),
                head + rng.choice(words),
                rng.randbytes(12),
            )
        else:
            line = Connection(home.tape, at, who, peer, port, rtt_s=home.lan_rtt_s)
            converse(line, [up(rng.choice(words)), down(30)])


def reconnecting(home: Home, who: Host) -> None:
    """Connect to a broker that hangs up soon, or refuses, again and again with the same password."""
    rng = home.rng
    peer = rng.choice([home.someone(who), rng.choice(home.world)])
    port = rng.choice((1883, 8883, 443))
    hello = rng.choice((60, mqtt_hello(rng, 10), mqtt_hello(rng, 10)))
    reply = rng.choice((4, b"\x20\x02\x00\x00", MQTT_REFUSAL))
    then = rng.choice(([], [up(60)], [up(200), down(4)]))  # a script that publishes once
    for at in home.times(between(rng, 1, 40), 0.2):
        line = Connection(home.tape, at, who, peer, port, rtt_s=home.rtt_s(who, peer))
        converse(
            line,
            [up(hello), down(reply), *(then if reply != MQTT_REFUSAL else [])],
            close=rng.choice(("server", "client", "reset")),
        )


def knocking_in_vain(home: Home, who: Host) -> None:
    """Try to reach a server that is down, for ever."""
    rng = home.rng
    peer = rng.choice([home.someone(who), rng.choice(home.world)])
    port = rng.choice((1883, 443, 80, 8883, 8123, 22, 21, 5683))
    answer: Answer = rng.choice(("refuse", "silent"))
    for at in home.times(between(rng, 1.5, 30), 0.1):
        Connection(home.tape, at, who, peer, port, rtt_s=home.rtt_s(who, peer)).open(answer)


def shell(home: Home, who: Host) -> None:
    """Log in by SSH or telnet, perhaps after a typing error, and work."""
    rng = home.rng
    port, peer = rng.choice((22, 22, 23)), home.someone(who)
    at = rng.uniform(0, home.seconds * 0.6)
    for _ in range(rng.choice((0, 0, 1))):
        line = Connection(home.tape, at, who, peer, port, rtt_s=home.lan_rtt_s)
        at = 4 + converse(
            line,
            [
                down(40),
                up(40),
                down(900),
                up(1200),
                up(80, 3),
                down(60, 1.5),
            ],
        )
    line = Connection(home.tape, at, who, peer, port, rtt_s=home.lan_rtt_s)
    if line.open():
        for size in (40, 900, 1200, 400):
            line.say(Say(size != 40, size, 0.05))
        while line.now_s < home.seconds:
            line.say(up(36, rng.expovariate(3)), acknowledged=False)
            line.say(down(rng.choice((36, 36, 200))))


def inventory(home: Home, who: Host) -> None:
    """Look after the known services of the home, each with a connection, as a monitor does."""
    rng = home.rng
    ports = rng.sample((22, 53, 80, 443, 1883, 8080, 8123, 9100, 502, 554), rng.randint(1, 4))
    services = [(rng.choice(home.devices), rng.choice(ports)) for _ in range(rng.randint(2, 12))]
    for at in home.times(between(rng, 10, 60), 0.05):
        for number, (peer, port) in enumerate(services):
            line = Connection(
                home.tape,
                at + number * between(rng, 0.01, 1),
                who,
                peer,
                port,
                rtt_s=home.lan_rtt_s,
            )
            refused = (peer.ip[3] + port) % 9 == 0
            converse(line, [up(80), down(300)] if rng.random() < 0.5 else [],
                     answer="refuse" if refused else "accept")  # fmt: skip


CHECKED: Final = (21, 22, 23, 25, 53, 80, 139, 443, 445, 502, 554, 1883, 3306, 5432, 8080, 9100)


def monitoring(home: Home, who: Host) -> None:
    """Ask everybody for everything at every round, as a monitor does, whether it is there or not."""
    rng = home.rng
    peers = rng.sample(home.devices, min(len(home.devices), rng.randint(3, 20)))
    ports = rng.sample(CHECKED, rng.randint(2, 10))
    missing, asks = rng.choice((0.0, 0.0, 0.2, 0.5)), rng.random() < 0.6
    absent = {(peer.ip, port) for peer in peers for port in ports if rng.random() < missing}
    pause_s = between(rng, 0.003, 0.5)
    for begin_s in home.times(between(rng, 10, 60), 0.05):
        at = begin_s
        for peer in peers:
            if peer.ip == who.ip:
                continue
            at += pause_s
            if asks:
                source = rng.randint(32768, 60999)
                answer = rng.randbytes(rng.randint(40, 200)) if rng.random() > missing else b""
                ask(home.tape, at, who, peer, (source, 161), rng.randbytes(43), answer)
            for port in ports:
                line = Connection(home.tape, at, who, peer, port, rtt_s=home.lan_rtt_s)
                script = [up(40), down(200)] if rng.random() < 0.5 else []
                refused = (peer.ip, port) in absent
                converse(line, script, answer="refuse" if refused else "accept")
                at += pause_s * rng.uniform(0.1, 1)


def descriptions(home: Home, who: Host) -> None:
    """Fetch the self-descriptions of devices of the home, as UPnP control points do."""
    rng = home.rng
    peers = rng.sample(home.devices, min(len(home.devices), rng.randint(1, 6)))
    for at in home.times(between(rng, 4, 60), 0.5):
        for number, peer in enumerate(peers):
            if peer.ip != who.ip:
                line = Connection(
                    home.tape,
                    at + 0.1 * number,
                    who,
                    peer,
                    rng.choice((49152, 49153, 80, 8008, 1400)),
                    rtt_s=home.lan_rtt_s,
                )
                converse(
                    line,
                    [up(home.phrases[0]), down(2500)],
                    answer=rng.choice(("accept", "accept", "refuse")),
                )
