"""Hosts that talk to each other, and what is learned of it."""

from collections.abc import Sequence

from agent.observe import Observer
from agent.peers import Peers
from tests.agent.builders import Box, Timed, batch, tcp

MINUTE = 60


def talk(client: Box, server: Box, at: float, port: int = 502, sport: int = 40_000) -> list[Timed]:
    """A question and its answer within one window."""
    asked = tcp(client, server, sport, port, "PA", data=b"ask")
    told = tcp(server, client, port, sport, "PA", data=b"tell")
    return [(at, asked), (at + 0.1, told)]


def lasting(client: Box, server: Box, port: int = 502) -> list[Timed]:
    """Ten minutes of conversation."""
    return [
        frame for at in range(0, 10 * MINUTE, MINUTE) for frame in talk(client, server, at, port)
    ]


def learned(*conversations: Sequence[Timed]) -> Peers:
    observer = Observer()
    observer.feed(
        batch(sorted((frame for each in conversations for frame in each), key=lambda f: f[0]))
    )
    observer.flush()
    return observer.peers
