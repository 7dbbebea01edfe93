"""Who lives in a made-up home: addresses, hop limits, windows and distances, drawn by a seed."""

from random import Random
from typing import Final

from model_training.synthetic.wire import Host, Tape

_OUIS: Final = (
    "240ac4", "a4cf12", "dca632", "4419b6", "3cef8c", "50c7bf", "001788", "68572d", "fca183",
    "8c79f5", "f01898", "f4f5d8", "001132", "3ca62f", "a040a0", "a0a4c5", "080027", "0242ac",
)  # fmt: skip
_SUBNETS: Final = ((192, 168, 0), (192, 168, 1), (192, 168, 178), (10, 0, 0), (10, 42, 0),
                   (172, 16, 5), (172, 20, 0), (192, 168, 100))  # fmt: skip


class Home:
    """A local network, a router and the world behind it, seen for `seconds`."""

    def __init__(self, rng: Random, seconds: float, devices: int) -> None:
        self.rng = rng
        self.seconds = seconds
        self.tape = Tape(rng)
        self.subnet = bytes(rng.choice(_SUBNETS))
        self.lan_rtt_s = 10 ** rng.uniform(-4, -2)
        octets = rng.sample(range(2, 254), devices)
        self.router = self._machine("router", rng.choice((1, 254)))
        self.devices = [self._machine(f"device{n}", octet) for n, octet in enumerate(octets)]
        self.lease_server = self.router if rng.random() < 0.8 else rng.choice(self.devices)
        self.world = [self._remote(n) for n in range(rng.randint(4, 16))]
        # What several machines here say alike, and whom they say it to.
        self.phrases = [rng.randbytes(rng.randint(10, 200)) for _ in range(4)]
        self.servers = [
            (rng.choice(self.devices), rng.choice((80, 8080, 1883, 554))) for _ in range(2)
        ]

    def _machine(self, name: str, octet: int) -> Host:
        rng = self.rng
        mac = bytes.fromhex(rng.choice(_OUIS)) + rng.randbytes(3)
        ttl = rng.choice((64, 64, 64, 64, 128, 255))
        window = rng.choice((64240, 65535, 29200, 5840, 8192, 16384, 1024))
        ip = self.subnet + bytes([octet])
        return Host(name, mac, ip, ttl, window, options=rng.random() < 0.9)

    def _remote(self, number: int) -> Host:
        rng = self.rng
        ip = bytes([rng.choice((3, 18, 34, 52, 91, 104, 142, 151, 185, 203)), *rng.randbytes(3)])
        ttl = rng.choice((64, 64, 128, 255)) - rng.randint(5, 22)
        return Host(f"remote{number}", self.router.mac, ip, ttl, remote=True)

    def stranger(self, name: str) -> Host:
        """Return a new machine on the local network."""
        taken = {host.ip for host in (*self.devices, self.router)}
        free = [octet for octet in range(2, 254) if self.subnet + bytes([octet]) not in taken]
        return self._machine(name, self.rng.choice(free))

    def outsider(self, name: str) -> Host:
        """Return a new machine behind the router."""
        remote = self._remote(0)
        return Host(name, remote.mac, remote.ip, remote.ttl, remote.window, remote=True)

    def rtt_s(self, one: Host, other: Host) -> float:
        """Return a round trip between two machines."""
        far = one.remote or other.remote
        return self.rng.uniform(0.008, 0.15) if far else self.lan_rtt_s

    def someone(self, *besides: Host) -> Host:
        """Return a local device other than some."""
        others = [host for host in self.devices if host not in besides]
        return self.rng.choice(others or [self.router])

    def times(self, period_s: float, jitter: float = 0.1, begin_s: float = -1.0) -> list[float]:
        """Return moments about `period_s` apart until the end."""
        rng = self.rng
        at = rng.uniform(0, period_s) if begin_s < 0 else begin_s
        moments = []
        while at < self.seconds:
            moments.append(at)
            at += max(period_s * rng.uniform(1 - jitter, 1 + jitter), 0.001)
        return moments


def between(rng: Random, low: float, high: float) -> float:
    """Draw from a range so that every order of magnitude is as likely."""
    return float(low * (high / low) ** rng.random())
