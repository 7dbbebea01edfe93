"""Modbus controllers and RTSP cameras, and who asks them; and a tool that takes stock."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from model_training.lab.behaviours import rounds
from model_training.lab.services import listen

MODBUS_PORT: Final = 502
RTSP_PORT: Final = 554
_READ, _WRITE = 3, 6
_RTP_BYTES = 1_200
_SESSION = "Session: 12345678\r\n"


async def modbus(rng: Random, *, port: int = MODBUS_PORT) -> None:
    """Answer Modbus/TCP: holding registers that drift, and writes of one register."""
    registers = [rng.randrange(1 << 16) for _ in range(256)]

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(8)
            transaction, _, length, unit, function = struct.unpack(">HHHBB", head)
            body = await reader.readexactly(min(max(length - 2, 0), 250))
            first, second = struct.unpack_from(">HH", body)
            if function == _WRITE:
                registers[first % 256] = second
                answer = body[:4]
            else:
                values = [registers[(first + n) % 256] for n in range(min(second, 64))]
                registers[first % 256] = (values[0] + rng.choice((-1, 0, 1))) % (1 << 16)
                answer = struct.pack(">B", 2 * len(values))
                answer += b"".join(struct.pack(">H", value) for value in values)
            head = struct.pack(">HHHBB", transaction, 0, 2 + len(answer), unit, function)
            writer.write(head + answer)
            await writer.drain()

    await listen(port, connection)


async def modbus_poll(
    rng: Random, *, target: str, period_s: float = 0.5, registers: int = 16, writes: float = 0.05
) -> None:
    """Read a controller's registers on a lasting connection, now and then write one."""
    while True:
        with contextlib.suppress(OSError, TimeoutError, EOFError):
            reader, writer = await asyncio.open_connection(target, MODBUS_PORT)
            with contextlib.closing(writer):
                async for number in rounds(rng, period_s, 0.05):
                    function = _WRITE if rng.random() < writes else _READ
                    second = rng.randrange(1 << 16) if function == _WRITE else registers
                    ask = struct.pack(">HHHBBHH", number % 65_536, 0, 6, 1, function, 0, second)
                    writer.write(ask)
                    async with asyncio.timeout(3):
                        await reader.read(512)
        await asyncio.sleep(rng.uniform(0.5, 2.0))


async def rtsp(rng: Random, *, port: int = RTSP_PORT, packets_per_second: float = 80.0) -> None:
    """Serve a camera's stream as RTSP asks for it: RTP over UDP, to the port that was named."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verb, client_port = "", 0
        while verb != "PLAY":
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            verb = request.partition(" ")[0]
            number = request.partition("CSeq: ")[2].partition("\r\n")[0]
            ports = request.partition("client_port=")[2]
            client_port = int(ports.partition("-")[0]) if ports else client_port
            writer.write(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{_SESSION}\r\n".encode())
            await writer.drain()
        peer = (writer.get_extra_info("peername")[0], client_port)
        await _stream(rng, peer, packets_per_second, reader)

    await listen(port, connection)


async def _stream(
    rng: Random, peer: tuple[str, int], packets_per_second: float, asked: asyncio.StreamReader
) -> None:
    """Send pictures as bursts of RTP packets, one way, until who asked hangs up."""
    number, per_picture = 0, max(1, round(packets_per_second / 12))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        while not asked.at_eof():
            for _ in range(rng.randint(max(1, per_picture - 3), per_picture + 3)):
                stamp = number * 7_500 % (1 << 32)
                head = struct.pack(">BBHII", 0x80, 96, number % 65_536, stamp, 0x5EED)
                with contextlib.suppress(OSError):
                    udp.sendto(head + rng.randbytes(rng.randint(400, _RTP_BYTES)), peer)
                number += 1
            await asyncio.sleep(rng.uniform(0.95, 1.05) / 12)


async def watch_rtsp(rng: Random, *, host: str, seconds: float = 20.0) -> None:
    """Watch a camera's stream for some time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("0.0.0.0", 0))  # noqa: S104  (inside a namespace)
        udp.setblocking(False)  # noqa: FBT003  (the standard library's signature)
        port = udp.getsockname()[1]
        with contextlib.suppress(OSError, TimeoutError, EOFError):
            reader, writer = await asyncio.open_connection(host, RTSP_PORT)
            with contextlib.closing(writer):
                verbs = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY")
                for number, verb in enumerate(verbs, start=1):
                    line = f"Transport: RTP/AVP;unicast;client_port={port}-{port + 1}\r\n"
                    extra = line if verb == "SETUP" else ""
                    head = f"{verb} rtsp://{host}/live RTSP/1.0\r\nCSeq: {number}\r\n{extra}\r\n"
                    writer.write(head.encode())
                    await reader.readuntil(b"\r\n\r\n")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds * rng.uniform(0.9, 1.1)):
                        while await asyncio.get_running_loop().sock_recv(udp, 2_048):
                            pass


async def knock(_rng: Random, *, host: str, ports: list[int], pause_s: float = 1.0) -> None:
    """Look whether a device still answers at the ports it is known for, as an inventory does."""
    for port in ports:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
        await asyncio.sleep(pause_s)


MACHINES: dict[str, Callable[..., Awaitable[None]]] = {
    "knock": knock,
    "modbus": modbus,
    "modbus_poll": modbus_poll,
    "rtsp": rtsp,
    "watch_rtsp": watch_rtsp,
}
