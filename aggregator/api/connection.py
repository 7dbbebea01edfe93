"""How long, and in how many bytes, a client may say what it wants before it is sent away."""

import asyncio
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aggregator.api.envelope import REQUEST_ID_HEADER, headers_for, new_request_id
from aggregator.api.errors import PROBLEM_TYPE, problem_body

HEAD_BYTES = 64 * 1024
HEAD_S = 10.0


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP, where the head of a request is bounded: in itself it waits and keeps all."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(*arguments, **named)
        self._reading_head = True
        self._head_bytes = 0
        self._named_bytes = 0  # of it, in what was told of it whole
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        if self._reading_head:
            self._head_bytes += len(data)
            self._wait_for_head()
        super().data_received(data)
        if self._reading_head and self._head_bytes > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._named_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take the address that is asked for, or a piece of it."""
        self._named_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head."""
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
        self._head_bytes = 0
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Be ready for the next request; uvicorn itself ends who keeps silent between two."""
        self._reading_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or too large a one."""
        if self._named_bytes > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(
                HEAD_S, self._refuse, HTTPStatus.REQUEST_TIMEOUT
            )

    def _wait_no_more(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: HTTPStatus, why: str = "the request's head is bounded") -> None:
        self._wait_no_more()
        if self.transport.is_closing():
            return
        if not getattr(self.cycle, "response_complete", True):  # an answer is under way: no second
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
