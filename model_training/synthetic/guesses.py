"""Guessing passwords at logins of every kind."""

from random import Random
from typing import Final

from model_training.synthetic.habits_inside import MQTT_REFUSAL, mqtt_hello
from model_training.synthetic.home import between
from model_training.synthetic.plot import MOST_FRAMES, Plot
from model_training.synthetic.talk import Answer, Close, Say, converse, down, up
from model_training.synthetic.wire import Mark

LOGINS: Final[dict[str, tuple[int, bytes, bytes]]] = {
    "ssh": (22, b"SSH-2.0-OpenSSH_8.4p1 Debian-5\r\n", b""),
    "telnet": (23, b"\xff\xfd\x18\xff\xfd\x20login: ", b"\r\nLogin incorrect\r\nlogin: "),
    "ftp": (21, b"220 (vsFTPd 3.0.3)\r\n", b"530 Login incorrect.\r\n"),
    "http": (80, b"", b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n"),
    "form": (80, b"", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>wrong password</html>"),
    "mqtt": (1883, b"", MQTT_REFUSAL),
    "rtsp": (554, b"", b"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Digest realm=\"cam\"\r\n\r\n"),
    "smb": (445, b"", b"\x00\x00\x00\x49\xfeSMB" + bytes(60)),
    "rdp": (3389, b"", b"\x03\x00\x00\x13" + bytes(15)),
    "mysql": (3306, b"\x4a\x00\x00\x00\x0a5.7.33" + bytes(60), b"\x48\x00\x00\x02\xff\x15\x04#28000Access denied"),
    "vnc": (5900, b"RFB 003.008\n", b"\x00\x00\x00\x01"),
    "smtp": (25, b"220 mail ESMTP\r\n", b"535 5.7.8 Error: authentication failed\r\n"),
}  # fmt: skip


_ALTERNATIVES: Final = {
    80: (80, 80, 8080, 8081, 443, 8000),
    22: (22, 22, 22, 2222),
    23: (23, 23, 2323),
    554: (554, 554, 8554),
}


_TRIED: Final = (
    "ssh",
    "ssh",
    "telnet",
    "telnet",
    "ftp",
    "ftp",
    "http",
    "http",
    "form",
    "mqtt",
    "mqtt",
    "rtsp",
    "rtsp",
    "smb",
    "rdp",
    "mysql",
    "vnc",
    "smtp",
)


_FORMS: Final = (b"login", b"api/login", b"cgi-bin/luci/login", b"session", b"index.php", b"auth")


def guessing(plot: Plot, low: float = 0.6, high: float = 60) -> None:
    """Guess passwords at a login."""
    rng = plot.home.rng
    service = rng.choice(_TRIED)
    port, banner, refusal = LOGINS[service]
    port = rng.choice(_ALTERNATIVES.get(port, (port,)))
    tries, pause_s = rng.choice((1, 1, 1, 3, 3, 6)), rng.choice((0.01, 0.05, 0.3, 1.0, 2.0))
    close: Close = rng.choice(("client", "server", "reset"))
    tired = rng.random() < 0.1
    quit_code = rng.random() < 0.3
    mark = Mark("BruteForce", f"{service}_guessing")
    rate = between(rng, low, high)
    for at in plot.moments(rate, MOST_FRAMES // (8 * tries)):
        script = [down(banner, 0.002)] if banner else []
        if service == "ssh":
            script += [
                up(24),
                *(Say(number % 2 == 0, rng.randint(200, 1500), 0.01) for number in range(4)),
            ]
        for _ in range(tries):
            script += attempt(rng.random(), service, refusal, pause_s)
        answer: Answer = "refuse" if tired and rng.random() < 0.3 else "accept"
        converse(plot.connect(at, port, mark), script if not quit_code else [*script, up(6)],
                 close=close, answer=answer)  # fmt: skip


def attempt(luck: float, service: str, refusal: bytes, pause_s: float) -> list[Say]:
    """Return one attempt: what is sent, and the refusal."""
    length, word = 6 + int(luck * 12), Random(luck)  # hardly any two say the same
    if service == "ssh":
        return [up(90 + length), down(52, pause_s)]
    if service == "ftp":
        return [up(b"USER admin\r\n"), down(b"331 Please specify the password.\r\n"),
                up(b"PASS " + _password(word, length) + b"\r\n"), down(refusal, pause_s)]  # fmt: skip
    if service == "telnet":
        return [
            up(length),
            down(b"Password: ", 0.005),
            up(length),
            down(refusal, pause_s),
        ]
    told: bytes | int = 100 + 10 * length if service in {"http", "rtsp"} else 30 + length
    if service == "form":
        told = (
            b"POST /"
            + _FORMS[int(luck * len(_FORMS))]
            + b" HTTP/1.1\r\nHost: cam\r\n\r\nuser=admin&password="
            + _password(word, length)
        )
    elif service == "mqtt":
        told = mqtt_hello(word, length)
    return [up(told), down(refusal, min(pause_s, 0.3))]


def _password(word: Random, length: int) -> bytes:
    return bytes(word.choices(b"abcdefghijklmnopqrstuvwxyz0123456789", k=length))


def slow_guessing(plot: Plot) -> None:
    """Guess passwords, patiently."""
    guessing(plot, 0.05, 0.7)
