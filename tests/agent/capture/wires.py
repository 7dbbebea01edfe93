"""Veth pairs, and what is sent over them."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from agent.capture import FrameSource
from agent.records import NO_VLAN, FrameBatch

ETHERTYPE = b"\x88\xb5"  # for experiments
HEADER = bytes.fromhex("020000000002020000000001")


class Seen(NamedTuple):
    port: int
    frame: bytes
    wire_bytes: int
    time_ns: int
    vlan_tci: int


class Wire:
    """A cable from a device to a bridge port of ours."""

    def __init__(self, number: int) -> None:
        self.device, self.port = f"dev{number}", f"lan{number}"
        ip("link", "add", self.device, "type", "veth", "peer", "name", self.port)
        for name in (self.device, self.port):
            # else the kernel's own chatter mixes with ours
            Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
            ip("link", "set", name, "up")
        self._there, self._here = _sender(self.device), _sender(self.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._there.close()
        self._here.close()

    def send(self, *frames: bytes) -> None:
        """Send from the device."""
        for each in frames:
            self._there.send(each)

    def send_back(self, *frames: bytes) -> None:
        """Send out of our port."""
        for each in frames:
            self._here.send(each)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def frame(number: int, length: int = 60) -> bytes:
    return (HEADER + ETHERTYPE + number.to_bytes(4) + bytes(range(256)) * 6)[:length]


def number_of(seen: Seen) -> int:
    return int.from_bytes(seen.frame[14:18])


def tagged(plain: bytes, tci: int) -> bytes:
    return plain[:12] + b"\x81\x00" + tci.to_bytes(2) + plain[12:]


def read_until(source: FrameSource, enough: Callable[[list[Seen]], bool]) -> list[Seen]:
    """Read until it is enough, or ten seconds without success."""
    found: list[Seen] = []
    until_s = time.monotonic() + 10
    while not enough(found) and time.monotonic() < until_s:
        source.wait(0.02)
        found += seen(source.read())
    return found


def read_frames(source: FrameSource, count: int) -> list[Seen]:
    return read_until(source, lambda found: len(found) >= count)


def seen(batch: FrameBatch) -> list[Seen]:
    """All frames; a tag that the kernel took off is in its place again."""
    found = []
    for row, offset in enumerate(batch.offset.tolist()):
        whole = batch.data[offset : offset + batch.captured_bytes[row]].tobytes()
        tci = int(batch.vlan_tci[row])
        whole = whole if tci == NO_VLAN else tagged(whole, tci)
        port, time_ns = int(batch.bridge_port[row]), int(batch.time_ns[row])
        found.append(Seen(port, whole, int(batch.wire_bytes[row]), time_ns, tci))
    return found


def _sender(name: str) -> socket.socket:
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((name, 0))
    return sender
