"""Conversations: a TCP connection with its handshake, data, acknowledgements and end; a UDP exchange."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from model_training.synthetic.wire import (
    ACK,
    BENIGN,
    FIN,
    MSS,
    PSH,
    RST,
    SYN,
    TCP,
    UDP,
    Host,
    Mark,
    Tape,
    datagram,
    ipv4,
    opening,
    segment,
)

Close = Literal["client", "server", "reset", "open"]
Answer = Literal["accept", "refuse", "silent"]
RETRIES_S = (1.0, 3.0, 7.0)


class Say(NamedTuple):
    """One message of a conversation: who says what after which pause."""

    client: bool
    what: bytes | int
    pause_s: float = 0.0


def up(what: bytes | int, pause_s: float = 0.0) -> Say:
    """Return what the client says."""
    return Say(client=True, what=what, pause_s=pause_s)


def down(what: bytes | int, pause_s: float = 0.0) -> Say:
    """Return what the server says."""
    return Say(client=False, what=what, pause_s=pause_s)


class Connection:
    """A TCP connection on tape; time goes on with every message."""

    def __init__(
        self, tape: Tape, at_s: float, client: Host, server: Host, port: int, *,
        mark: Mark = BENIGN, rtt_s: float = 0.002, local_port: int = 0,
    ) -> None:  # fmt: skip
        self.tape = tape
        self.now_s = at_s
        self._client, self._server = client, server
        self._mark, self._answer = mark, mark.answer()
        self._rtt_s = rtt_s
        self._ports = (local_port or tape.rng.randint(32768, 60999), port)
        self._seq = [tape.rng.getrandbits(31), tape.rng.getrandbits(31)]

    def _send(self, flags: int, payload: bytes = b"", *, by_client: bool) -> None:
        src, dst = (self._client, self._server) if by_client else (self._server, self._client)
        mine, other = (0, 1) if by_client else (1, 0)
        ports = self._ports if by_client else self._ports[::-1]
        body = segment(
            ports, flags, seq=self._seq[mine], ack=self._seq[other] if flags & ACK else 0,
            window=src.window, payload=payload,
        )  # fmt: skip
        self._seq[mine] += len(payload) + (1 if flags & (SYN | FIN) else 0)
        self.tape.put(
            self.now_s, ipv4(src, dst, TCP, body), self._mark if by_client else self._answer
        )

    def _hop(self) -> None:
        self.now_s += self._rtt_s * self.tape.rng.uniform(0.4, 0.6)

    def open(self, answer: Answer = "accept") -> bool:
        """Knock; return whether the server let in."""
        knock = opening(self._client, self._ports, self._seq[0])
        raw = ipv4(self._client, self._server, TCP, knock)
        began_s = self.now_s
        self.tape.put(began_s, raw, self._mark)
        if answer == "silent":
            for wait_s in RETRIES_S[: self.tape.rng.randint(0, 3)]:
                self.tape.put(began_s + wait_s, raw, self._mark)
                self.now_s = began_s + wait_s
            return False
        self._seq[0] += 1
        self._hop()
        if answer == "refuse":
            self._send(RST | ACK, by_client=False)
            return False
        self._send(SYN | ACK, by_client=False)
        self._hop()
        self._send(ACK, by_client=True)
        return True

    def say(self, message: Say, *, acknowledged: bool = True) -> None:
        """Send a message in segments, the other side acknowledging every second one and the last."""
        self.now_s += message.pause_s
        rng = self.tape.rng
        data = message.what if isinstance(message.what, bytes) else rng.randbytes(message.what)
        parts = [data[at : at + MSS] for at in range(0, len(data), MSS)]
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            self._send(ACK | (PSH if last else 0), part, by_client=message.client)
            if number % 2 or (last and acknowledged):
                self._hop()
                self._send(ACK, by_client=not message.client)
            else:
                self.now_s += 0.0001
        if not acknowledged:
            self._hop()

    def close(self, how: Close = "client") -> None:
        """End it, or leave it open."""
        match how:
            case "reset":
                self._send(RST | ACK, by_client=True)
            case "client" | "server":
                first = how == "client"
                self._send(FIN | ACK, by_client=first)
                self._hop()
                self._send(FIN | ACK, by_client=not first)
                self._hop()
                self._send(ACK, by_client=first)
            case "open":
                pass


def converse(
    connection: Connection, script: Sequence[Say], *, close: Close = "client", answer: Answer = "accept"
) -> float:  # fmt: skip
    """Hold a whole conversation; return when it is over."""
    if connection.open(answer):
        for number, message in enumerate(script):
            following = script[number + 1] if number + 1 < len(script) else None
            quick = following is not None and following.client != message.client
            quick = quick and following is not None and following.pause_s < 0.04
            connection.say(message, acknowledged=not quick)
        connection.close(close)
    return connection.now_s


def ask(
    tape: Tape, at_s: float, client: Host, server: Host, ports: tuple[int, int],
    question: bytes, reply: bytes, *, mark: Mark = BENIGN, rtt_s: float = 0.003,
) -> float:  # fmt: skip
    """Exchange two datagrams (an empty reply: none); return when the reply is there."""
    tape.put(at_s, ipv4(client, server, UDP, datagram(ports, question)), mark)
    if reply:
        at_s += rtt_s * tape.rng.uniform(0.8, 1.3)
        answer = ipv4(server, client, UDP, datagram(ports[::-1], reply))
        tape.put(at_s, answer, mark.answer())
    return at_s
