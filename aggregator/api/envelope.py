"""Around every request: its number, limits of time, what it leaves; around every answer: its headers."""

import asyncio
import logging
import re
import secrets
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Final, cast

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from aggregator.api.errors import PROBLEM_TYPE, REQUEST_ID, problem_body

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HTTPS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}
REQUEST_ID_HEADER = "X-Request-ID"
# What may be kept on the way.
FOR_EVERYBODY = ("/static/", "/reference/", "/health", "/api/v1/openapi.json")
LIMIT: Final = "limit"
AFTERWARDS: Final = "afterwards"
_GIVEN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


def allow(scope: Scope, begin_s: float) -> None:
    """Let it take longer than other requests until the answer to one begins."""
    limit = cast("asyncio.Timeout", scope["state"][LIMIT])
    limit.reschedule(asyncio.get_running_loop().time() + begin_s)


def afterwards(scope: Scope) -> AsyncExitStack:
    """Return what is closed when a request is over, however it ends.

    A generator that makes an answer cannot do that: nobody closes it where a client breaks off.
    """
    return cast("AsyncExitStack", scope["state"][AFTERWARDS])


def headers_for(scheme: str | None) -> dict[str, str]:
    """Return the headers that protect a browser, whatever is answered."""
    return HEADERS | HTTPS_HEADERS if scheme == "https" else HEADERS


def new_request_id() -> str:
    """Return the number of a request that came with none."""
    return secrets.token_hex(8)


class Envelope:
    """The application with what holds for all of it, also where no route is reached.

    Args:
        app: The application.
        most_s: How long a request may take, with the arrival of its body, until the answer
            begins; and then how long until the client has taken the next part of it.
    """

    def __init__(self, app: ASGIApp, most_s: float) -> None:
        self._app = app
        self._most_s = most_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        limit = asyncio.timeout(self._most_s)
        answer = _Answer(scope, send, limit, self._most_s)
        async with AsyncExitStack() as left:
            state = {REQUEST_ID: answer.id, LIMIT: limit, AFTERWARDS: left}
            scope.setdefault("state", {}).update(state)
            try:
                async with limit:
                    await self._app(scope, receive, answer.send)
            except TimeoutError:
                extra = {"path": scope["path"], "request_id": answer.id}
                log.warning("request_took_too_long", extra=extra)
                if not answer.begun:  # else the server ends the connection: half an answer shows
                    await answer.refuse()


class _Answer:
    def __init__(self, scope: Scope, send: Send, limit: asyncio.Timeout, most_s: float) -> None:
        self._scope = scope
        self._send = send
        self._limit = limit
        self._most_s = most_s
        self.begun = False
        given = Headers.from_scope(scope).get(REQUEST_ID_HEADER, "")
        self.id = given if _GIVEN_ID.fullmatch(given) else new_request_id()

    async def send(self, message: Message) -> None:
        """Send a part of the answer, the first with all headers."""
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableScopeHeaders.from_message(message)
            for name, value in headers_for(self._scope["scheme"]).items():
                headers[name] = value
            if not self._scope["path"].startswith(FOR_EVERYBODY):
                headers["Cache-Control"] = "no-store"
            headers[REQUEST_ID_HEADER] = self.id
        await self._send(message)  # waits for a client that takes nothing
        if not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._most_s)

    async def refuse(self) -> None:
        """Answer that it took too long."""
        status = HTTPStatus.SERVICE_UNAVAILABLE
        body = problem_body(status, "this took too long: ask for less, or again later")
        head = [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": head})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})
