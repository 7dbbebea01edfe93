"""A forgetful MQTT client: takes QoS 1 messages, does not acknowledge them, and gets them again."""

import asyncio
import contextlib
import struct
from random import Random

_CONNECT, _PUBLISH, _SUBSCRIBE = 0x10, 0x30, 0x82


def _text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def _packet(kind: int, body: bytes) -> bytes:
    return bytes([kind, len(body)]) + body


def connect(client_id: str) -> bytes:
    """Return a CONNECT that keeps its session, with a keep-alive of 30 s."""
    return _packet(_CONNECT, _text("MQTT") + b"\x04\x00\x00\x1e" + _text(client_id))


def publish(topic: str, payload: str, packet_id: int, *, again: bool) -> bytes:
    """Return a QoS 1 PUBLISH, with the DUP flag when it is sent `again`."""
    body = _text(topic) + struct.pack(">H", packet_id) + payload.encode()
    return _packet(_PUBLISH | 0x02 | (0x08 if again else 0), body)


async def forgetful_subscriber(
    rng: Random, *, broker: str, topic: str, client_id: str, period_s: float = 6.0
) -> None:
    """Drop the connection every `period_s` without having acknowledged anything."""
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection(broker, 1883)
            with contextlib.closing(writer):
                writer.write(connect(client_id))
                writer.write(_packet(_SUBSCRIBE, b"\x00\x01" + _text(topic) + b"\x01"))
                async with asyncio.timeout(period_s * rng.uniform(0.7, 1.3)):
                    while await reader.read(4096):
                        pass
        await asyncio.sleep(rng.uniform(0.5, 2.0))


async def stubborn_publisher(  # noqa: PLR0913  (one keyword per property of a client)
    rng: Random, *, broker: str, topic: str, client_id: str, payload: str, period_s: float = 5.0
) -> None:
    """Publish at QoS 1 and, as after a lost acknowledgement, the same message again with DUP."""
    number = 0
    while True:
        number += 1
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection(broker, 1883)
            with contextlib.closing(writer):
                writer.write(connect(client_id))
                for attempt in range(rng.randint(1, 3)):
                    writer.write(publish(topic, payload, number, again=attempt > 0))
                    await asyncio.sleep(rng.uniform(0.8, 1.6))
                async with asyncio.timeout(2):
                    await reader.read(256)
        await asyncio.sleep(period_s * rng.uniform(0.6, 1.4))
