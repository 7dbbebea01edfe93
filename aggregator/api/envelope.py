"""Around every request: its number, a limit of time; around every answer: its headers."""

import asyncio
import logging
import re
import secrets
from http import HTTPStatus

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
_GIVEN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class Envelope:
    """The application with what holds for all of it, also where no route is reached.

    Args:
        app: The application.
        most_s: How long a request may take, with the arrival of its body.
    """

    def __init__(self, app: ASGIApp, most_s: float) -> None:
        self._app = app
        self._most_s = most_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        scope.setdefault("state", {})[REQUEST_ID] = answer.id
        try:
            async with asyncio.timeout(self._most_s):
                await self._app(scope, receive, answer.send)
        except TimeoutError:
            extra = {"path": scope["path"], "request_id": answer.id}
            log.warning("request_took_too_long", extra=extra)
            if not answer.begun:  # else the server ends the connection: half an answer shows
                await answer.refuse()


class _Answer:
    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.begun = False
        given = Headers.from_scope(scope).get(REQUEST_ID_HEADER, "")
        self.id = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)

    async def send(self, message: Message) -> None:
        """Send a part of the answer, the first with all headers."""
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableScopeHeaders.from_message(message)
            for name, value in HEADERS.items():
                headers[name] = value
            if self._scope["scheme"] == "https":
                headers.update(HTTPS_HEADERS)
            if not self._scope["path"].startswith(FOR_EVERYBODY):
                headers["Cache-Control"] = "no-store"
            headers[REQUEST_ID_HEADER] = self.id
        await self._send(message)

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
