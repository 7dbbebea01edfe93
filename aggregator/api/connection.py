"""How long, and in how many bytes, a client may say what it wants, and how long it may leave us unread."""

import asyncio
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from aggregator.api.envelope import REQUEST_ID_HEADER, headers_for, new_request_id
from aggregator.api.errors import PROBLEM_TYPE, problem_body

HEAD_BYTES = 64 * 1024  # of a head, and of whatever else comes in a row that is no body
HEAD_S = 10.0  # for a head, and for the rest of a request that is answered already
UNREAD_S = 60.0  # longer than watchers are left without a pong
CLOSE_S = 1.0  # for a client to agree to the end; uvicorn's ten let the refused fill all places
READ_BYTES = 16 * 1024  # at least, of what waits for who reads slowly, in that time


class _Reader:
    """Whether the client reads: who does not is cut off, or holds its connection for ever.

    Args:
        transport: The connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None

    def waits(self) -> None:
        """Begin to watch: too much waits to be read."""
        left = self._transport.get_write_buffer_size()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(UNREAD_S, self._check, left)

    def reads(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, unread: int) -> None:
        if self._transport.get_write_buffer_size() > unread - READ_BYTES:
            self._transport.abort()  # to close it would wait until all is read
        else:
            self.waits()


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP, where what a client says, and leaves unread, is bounded: it waits and keeps all."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(*arguments, **named)
        self._reading_head = True
        self._named_bytes = 0  # of a head, in what was told of it whole
        self._bytes_beside = 0  # in a row, that are no body
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._reader = _Reader(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        self._reader.reads()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Send nothing more until what waits is read."""
        super().pause_writing()
        self._reader.waits()

    def resume_writing(self) -> None:
        """Go on: enough was read."""
        super().resume_writing()
        self._reader.reads()

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        if self._reading_head:
            self._wait_for_head()
        self._bytes_beside += len(data)
        super().data_received(data)
        if self._bytes_beside <= HEAD_BYTES:
            return
        if self._reading_head:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """Go over to the WebSocket, which does not know of answers that are under way."""
        if getattr(self.cycle, "response_complete", True) and not self.flow.write_paused:
            super().handle_websocket_upgrade()
        else:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._named_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take the address that is asked for, or a piece of it."""
        self._named_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; one behind the body would be believed as if it stood there."""
        if self._reading_head:
            self._named_bytes += len(name) + len(value)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on to the body, or to the WebSocket.

        Raises:
            HttpParserError: The head is too large, and yet came in one piece.
        """
        if self._named_bytes > HEAD_BYTES:
            raise HttpParserError
        self._reading_head = False
        self._bytes_beside = 0
        self._wait_no_more()
        self._unset_keepalive_if_required()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._bytes_beside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Be ready for the next request; uvicorn itself ends who keeps silent between two."""
        self._reading_head = True
        self._bytes_beside = 0
        if self._timer is not None:  # it was answered before, and uvicorn's own timer is gone
            self._wait_no_more()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or too large a one."""
        if self._named_bytes > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def on_response_complete(self) -> None:
        """Go on to the next request, and wait for the rest of this one, but not for ever."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._timer = self.loop.call_later(HEAD_S, self.transport.close)

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: HTTPStatus, why: str = "the request's head is bounded") -> None:
        self._wait_no_more()
        if self.transport.is_closing():
            return
        answered = getattr(self.cycle, "response_complete", True)
        if not (
            answered and self._reading_head
        ):  # an answer is under way, or was given: no second
            self.transport.close()
            return
        body = problem_body(status, f"{status.phrase.lower()}: {why}")
        headers = headers_for(self.scheme) | {
            "Cache-Control": "no-store",
            "Content-Type": PROBLEM_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            REQUEST_ID_HEADER: new_request_id(),
        }
        lines = [f"HTTP/1.1 {status} {status.phrase}"]
        lines += (f"{name}: {value}" for name, value in headers.items())
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()


class BoundedSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, where what a client leaves unread is bounded."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the handshake."""
        super().connection_made(transport)
        self.close_timeout = CLOSE_S
        self._reader = _Reader(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._reader.reads()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Send nothing more until what waits is read."""
        super().pause_writing()
        self._reader.waits()

    def resume_writing(self) -> None:
        """Go on: enough was read."""
        super().resume_writing()
        self._reader.reads()

    def handle_ping(self) -> None:
        """Answer, unless what was sent is not read: answers would pile up."""
        answer = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(answer))
