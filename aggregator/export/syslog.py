"""Syslog (RFC 5424) over UDP (RFC 5426), TCP with counted octets (RFC 6587) or TLS (RFC 5425)."""

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Final

from aggregator.config import ExportConfig, SyslogTarget
from aggregator.export.entries import SYSLOG_SEVERITIES, Entry
from aggregator.shapes import rfc3339
from runtime.tls import client_context

CONNECT_S: Final = 10.0
SEND_S: Final = 10.0
GOODBYE_S: Final = 1.0
INFORMATIONAL: Final = 6
MAX_DATAGRAM_BYTES: Final = 65_000
APP_NAME: Final = "edgewarden"
_UNPRINTABLE: Final = 127


def syslog_message(entry: Entry, text: bytes, facility: int) -> bytes:
    """Return a message around a line; what is over is for information, the rest as grave as its alert."""
    is_over = entry.event in {"closed", "decided"}
    severity = INFORMATIONAL if is_over else SYSLOG_SEVERITIES[entry.row.severity]
    head = (
        f"<{facility * 8 + severity}>1 {rfc3339(entry.at_ns)} {_hostname()} {APP_NAME}"
        f" {os.getpid()} alert -"
    )
    return head.encode() + b" " + text


def _hostname() -> str:
    name = "".join(c for c in socket.gethostname() if " " < c < chr(_UNPRINTABLE))
    return name[:255] or "-"


class _Datagrams(asyncio.DatagramProtocol):
    """Keeps what the network says of datagrams that nobody takes."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def error_received(self, error: Exception) -> None:
        self.error = error


class SyslogSink:
    """Sends to one receiver; a connection that is lost is made again by the next `open`.

    Raises:
        ConfigError: The TLS files cannot be used.
    """

    def __init__(self, target: SyslogTarget, config: ExportConfig) -> None:
        self._target = target
        self._tls = None
        if target.transport == "tls":
            files = config.ca_file, config.cert_file, config.key_file
            self._tls = client_context(*files, whose="[[exports]]")
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._said = _Datagrams()

    async def open(self) -> None:
        """Connect where there is no connection any more.

        Raises:
            OSError: The receiver does not answer.
        """
        if self._datagrams is not None or self._is_connected():
            return
        await self.close()
        async with asyncio.timeout(CONNECT_S):
            if self._target.transport == "udp":
                loop = asyncio.get_running_loop()
                self._datagrams, _ = await loop.create_datagram_endpoint(
                    lambda: self._said, remote_addr=(self._target.host, self._target.port)
                )
                return
            self._reader, self._writer = await asyncio.open_connection(
                self._target.host,
                self._target.port,
                ssl=self._tls,
                server_hostname=self._target.host if self._tls else None,
            )
            self._writer.transport.set_write_buffer_limits(
                high=0
            )  # drained is what the kernel has

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send messages; return when the kernel has taken them.

        Raises:
            OSError: The connection is lost, or the receiver takes nothing any more.
        """
        if self._datagrams is not None:
            error, self._said.error = self._said.error, None
            if error is not None:
                raise error
            for each in messages:
                self._datagrams.sendto(each[:MAX_DATAGRAM_BYTES])
            return
        if self._writer is None or not self._is_connected():
            message = "the receiver has closed the connection"
            raise ConnectionError(message)
        self._writer.write(b"".join(b"%d %b" % (len(each), each) for each in messages))
        async with asyncio.timeout(SEND_S):
            await self._writer.drain()

    async def close(self) -> None:
        """End the connection, if there is one."""
        if self._datagrams is not None:
            self._datagrams.close()
        if self._writer is not None:
            writer, self._writer, self._reader = self._writer, None, None
            writer.close()
            try:
                async with asyncio.timeout(GOODBYE_S):
                    await writer.wait_closed()
            except OSError:
                writer.transport.abort()
        self._datagrams = None

    def _is_connected(self) -> bool:
        # Receivers say nothing: what can be read is the end.
        return self._reader is not None and not self._reader.at_eof()
