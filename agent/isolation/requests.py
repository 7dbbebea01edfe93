"""What the agent asks its enforcer and is answered: typed, bounded, one after the other."""

import asyncio
import socket
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from agent.config import IsolationConfig
from agent.exempt import MAX_EXEMPTIONS, Exemption
from agent.isolation import Lease

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_LEASES: Final = 4096
_LENGTH_BYTES: Final = 4

Leases = Annotated[list[Lease], Meta(max_length=MAX_LEASES)]
Spoken = TypeVar("Spoken")


class Tagged(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of everything on the line."""


class Begin(Tagged, frozen=True, tag="begin"):
    """Who enforces and who is exempt; sent once, before the agent reads its first frame."""

    isolation: IsolationConfig
    exempt: list[str]
    names: dict[str, str]  # further hosts that are needed: name or address -> who that is
    folder: Path  # where an enforcer keeps what must outlive it


class Apply(Tagged, frozen=True, tag="apply"):
    """Make exactly these leases hold."""

    leases: Leases


class ReadBack(Tagged, frozen=True, tag="read_back"):
    """Say what holds."""


class Clear(Tagged, frozen=True, tag="clear"):
    """Let everybody go."""


class Refresh(Tagged, frozen=True, tag="refresh"):
    """Say who is exempt now."""


class Done(Tagged, frozen=True, tag="done"):
    """It is so."""


class Held(Tagged, frozen=True, tag="held"):
    """What holds."""

    leases: Leases


class ExemptAre(Tagged, frozen=True, tag="exempt"):
    """Who is exempt."""

    exemptions: Annotated[list[Exemption], Meta(max_length=MAX_EXEMPTIONS)]


class Refused(Tagged, frozen=True, tag="refused"):
    """These leases would hit the exempt; the others hold."""

    refused: Annotated[dict[str, str], Meta(max_length=MAX_LEASES)]


class Failed(Tagged, frozen=True, tag="failed"):
    """It could not be done."""

    why: str


Request = Apply | ReadBack | Clear | Refresh
Answer = Done | Held | ExemptAre | Refused | Failed


async def send(line: socket.socket, message: Begin | Request | Answer) -> None:
    """Write a message to a socket that does not block.

    Raises:
        OSError: The other side is gone.
    """
    data = msgspec.msgpack.encode(message, enc_hook=str)  # settings hold paths
    whole = len(data).to_bytes(_LENGTH_BYTES, "big") + data
    await asyncio.get_running_loop().sock_sendall(line, whole)


async def receive(line: socket.socket, kind: type[Spoken]) -> Spoken:
    """Read a message from a socket that does not block.

    Raises:
        OSError: The other side is gone.
        ValueError: It is longer than MAX_BYTES, or not of this kind.
    """
    length = int.from_bytes(await _exactly(line, _LENGTH_BYTES), "big")
    if length > MAX_BYTES:
        message = f"a message of {length} bytes"
        raise ValueError(message)
    data = await _exactly(line, length)
    try:
        return msgspec.msgpack.decode(data, type=kind, dec_hook=_path)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    message = f"no {kind.__name__}: {value!r}"
    raise ValueError(message)


async def _exactly(line: socket.socket, count: int) -> bytes:
    loop, data = asyncio.get_running_loop(), bytearray()
    while len(data) < count:
        part = await loop.sock_recv(line, count - len(data))
        if not part:
            message = "the line is closed"
            raise ConnectionResetError(message)
        data += part
    return bytes(data)
