"""The web application: every route behind one guard, every answer with its headers."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Litestar, Request, Router, get
from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import Message, Scope

from aggregator.api import (
    alerts,
    audit,
    auth,
    authenticators,
    commands,
    dashboard,
    device_events,
    devices,
    invites,
    isolations,
    logs,
    organizations,
    telemetry,
    tokens,
    triage,
    users,
    verdicts,
    wall,
)
from aggregator.api.authenticator import Authenticator
from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.errors import HANDLERS
from aggregator.api.health import AskBroker, health, readyz
from aggregator.api.identity import PUBLIC, Guest, authorize
from aggregator.api.live import Door, watch
from aggregator.api.pages import root, static_files, version
from aggregator.commands.commander import Commander
from aggregator.config import AuthConfig, HttpConfig
from aggregator.live import LiveFeed
from aggregator.presence import PresenceKeeper
from aggregator.store.database import Database
from aggregator.wall import Wall

PREFIX = "/api/v1"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Parts(msgspec.Struct, frozen=True):
    """What the application is made of; opened and closed by who composes it."""

    database: Database
    live: LiveFeed
    authenticator: Authenticator
    http: HttpConfig
    auth: AuthConfig
    codes: AuthorizationCodes
    commander: Commander
    ask_broker: AskBroker
    wall: Wall
    presence: PresenceKeeper
    guests: Mapping[str, Guest]  # the places that are open, and who enters there without a token


def create_api(parts: Parts) -> Litestar:
    """Return the application; it starts and ends nothing."""
    native = Router(
        PREFIX,
        route_handlers=[
            auth.router,
            authenticators.router,
            commands.router,
            alerts.router,
            triage.router,
            devices.router,
            device_events.native,
            telemetry.router,
            logs.router,
            dashboard.router,
            verdicts.router,
            isolations.router,
            audit.router,
            invites.router,
            organizations.router,
            tokens.router,
            users.router,
            describe,
            watch,
        ],
    )
    given = msgspec.structs.asdict(parts)
    given["door"] = Door(parts.authenticator, parts.http, parts.guests)
    return Litestar(
        route_handlers=[
            native,
            wall.router,
            device_events.sockets,
            health,
            readyz,
            root,
            static_files(),
        ],
        guards=[authorize],
        dependencies={
            name: Provide(Giver(part), sync_to_thread=False) for name, part in given.items()
        },
        exception_handlers=HANDLERS,
        before_send=[_add_headers],
        cors_config=_cors(parts.http),
        logging_config=None,
        openapi_config=_openapi(),
        request_max_body_size=parts.http.max_body_bytes,
        state=State(
            {
                "authenticator": parts.authenticator,
                "guests": parts.guests,
                "allowed_origins": parts.http.allowed_origins,
            }
        ),
    )


class Giver:
    """Gives the same part to every route that asks for it."""

    def __init__(self, part: object) -> None:
        self._part = part

    def __call__(self) -> object:
        """Return the part."""
        return self._part


async def _add_headers(message: Message, scope: Scope) -> None:
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if not scope["path"].startswith(("/static/", "/health")):
        headers["Cache-Control"] = "no-store"


def _cors(http: HttpConfig) -> CORSConfig | None:
    if not http.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(http.allowed_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["X-Total-Count", "Retry-After"],
    )


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def describe(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Return the description of this API."""
    return request.app.openapi_schema.to_schema()


def _openapi() -> OpenAPIConfig:
    # The framework's own routes answer everything unknown under their path with HTML: they get
    # a corner of their own, and `describe` gives the description where it is looked for.
    router = Router(f"{PREFIX}/schema", route_handlers=[], opt=PUBLIC, include_in_schema=False)
    return OpenAPIConfig(
        title="Edgewarden aggregator",
        version=version(),
        openapi_router=router,
        render_plugins=[JsonRenderPlugin()],
    )
