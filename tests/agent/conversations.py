"""Hosts that talk to each other, and what is learned of it."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from scapy.layers.l2 import Ether

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


def learned(*conversations: Sequence[Timed], ports: Mapping[str, int] | None = None) -> Peers:
    """Learn conversations; `ports` says behind which bridge port a MAC is, if not the first."""
    observer = Observer()
    timed = sorted((frame for each in conversations for frame in each), key=lambda f: f[0])
    numbers = [(ports or {}).get(Ether(bytes(frame)).src, 0) for _, frame in timed]
    frames = msgspec.structs.replace(batch(timed), bridge_port=np.array(numbers, np.int16))
    observer.feed(frames)
    observer.flush()
    return observer.peers
