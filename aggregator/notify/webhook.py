"""Webhooks: one signed POST, to an address that was looked at, without following anybody elsewhere."""

import asyncio
import hmac
import ssl
import time
from typing import Final

from aggregator.errors import DeliveryError
from aggregator.notify.targets import Destination, Targets
from aggregator.shapes import NS_PER_S

TIMEOUT_S: Final = 10.0
MAX_LINE_BYTES: Final = 8192
MOST_ADDRESSES: Final = 3  # of one host, tried in turn
STATUS_WORDS: Final = 2
TRY_AGAIN: Final = frozenset({408, 425, 429})  # refusals that time mends


class Webhooks:
    """Posts to webhooks.

    Args:
        targets: Knows where we may connect to.
        trust: By which certificates receivers are believed.
    """

    def __init__(self, targets: Targets, trust: ssl.SSLContext) -> None:
        self._targets = targets
        self._trust = trust

    async def post(self, url: str, secret: str, delivery: str, body: bytes) -> None:
        """Post a body, signed; return when the receiver has taken it.

        Raises:
            InvalidError: The settings do not allow the address any more.
            DeliveryError: It was not taken.
        """
        to = self._targets.destination(url)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                addresses = await self._targets.addresses(to.host, to.port)
                status = await self._exchange(to, addresses, _request(to, secret, delivery, body))
        except TimeoutError as error:
            message = f"{to.host} did not answer within {TIMEOUT_S:.0f} s"
            raise DeliveryError(message) from error
        except (OSError, ValueError) as error:
            message = f"{to.host}: {getattr(error, 'strerror', None) or type(error).__name__}"
            raise DeliveryError(message) from error
        if not 200 <= status < 300:  # noqa: PLR2004  what HTTP calls success
            final = status < 500 and status not in TRY_AGAIN  # noqa: PLR2004
            message = f"{to.host} answered {status}"
            raise DeliveryError(message, final=final)

    async def _exchange(self, to: Destination, addresses: list[str], request: bytes) -> int:
        reader, writer = await self._connect(to, addresses[:MOST_ADDRESSES])
        try:
            writer.write(request)
            await writer.drain()
            line = await reader.readline()
        finally:
            writer.transport.abort()  # nothing of the answer but its first line matters
        words = line.split()
        if len(words) < STATUS_WORDS or not words[0].startswith(b"HTTP/1."):
            message = f"{to.host} does not speak HTTP"
            raise DeliveryError(message)
        return int(words[1])

    async def _connect(
        self, to: Destination, addresses: list[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        *first, last = addresses
        for address in first:
            try:
                return await self._open(to, address)
            except OSError:
                continue
        return await self._open(to, last)

    async def _open(
        self, to: Destination, address: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            address,
            to.port,
            limit=MAX_LINE_BYTES,
            ssl=self._trust if to.tls else None,
            server_hostname=to.host if to.tls else None,
        )


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return by what a receiver knows that a body is ours and when it was sent."""
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.digest(secret.encode(), signed, "sha256").hex()


def _request(to: Destination, secret: str, delivery: str, body: bytes) -> bytes:
    timestamp = str(time.time_ns() // NS_PER_S)
    host = f"[{to.host}]" if ":" in to.host else to.host
    head = (
        f"POST {to.path} HTTP/1.1\r\n"
        f"Host: {host}:{to.port}\r\n"
        "User-Agent: edgewarden\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Edgewarden-Delivery: {delivery}\r\n"
        f"X-Edgewarden-Timestamp: {timestamp}\r\n"
        f"X-Edgewarden-Signature: {signature(secret, timestamp, body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
