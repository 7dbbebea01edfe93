"""An attack on tape: who does it to whom, when, and what is sent."""

from typing import Final

import msgspec

from model_training.synthetic.home import Home
from model_training.synthetic.talk import Connection
from model_training.synthetic.wire import Host, Mark, ipv4, numbered

MOST_FRAMES: Final = 6000  # of one attack: longer floods teach nothing more


class Plot(msgspec.Struct, frozen=True):
    """Who attacks whom, and when."""

    home: Home
    attacker: Host
    victim: Host
    start_s: float
    end_s: float

    def moments(self, rate: float, most: int = MOST_FRAMES) -> list[float]:
        """Return the moments of an attack of so many a second, evenly or in bursts."""
        rng, at = self.home.rng, self.start_s
        moments: list[float] = []
        even = rng.random() < 0.5
        while at < min(self.end_s, self.home.seconds) and len(moments) < most:
            moments.append(at)
            at += 1 / rate if even else rng.expovariate(rate)
        return moments

    def frame(
        self,
        at: float,
        protocol: int,
        body: bytes,
        mark: Mark,
        as_ip: bytes = b"",
        number: int = 0,
    ) -> bytes:
        """Send one packet from the attacker to the victim; return it."""
        raw = ipv4(self.attacker, self.victim, protocol, body, as_ip=as_ip or None)
        raw = numbered(raw, number)
        self.home.tape.put(at, raw, mark)
        return raw

    def reply(self, at: float, protocol: int, body: bytes, mark: Mark, to_ip: bytes = b"") -> None:
        """Let the victim answer."""
        router = self.home.router.mac if to_ip else None
        raw = ipv4(self.victim, self.attacker, protocol, body, to_ip=to_ip or None, to_mac=router)
        self.home.tape.put(at, raw, mark.answer())

    @property
    def rtt_s(self) -> float:
        """Between the two."""
        return self.home.rtt_s(self.attacker, self.victim)

    def connect(self, at: float, port: int, mark: Mark) -> Connection:
        """Begin a connection to the victim."""
        return Connection(
            self.home.tape, at, self.attacker, self.victim, port, mark=mark, rtt_s=self.rtt_s
        )
