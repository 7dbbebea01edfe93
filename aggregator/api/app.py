"""The web application: every route behind one guard, every answer with its headers."""

import hashlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute
from litestar.serialization import encode_json

from aggregator.api import (
    alerts,
    analytics,
    audit,
    auth,
    authenticators,
    backup,
    billing,
    commands,
    dashboard,
    desired,
    device_events,
    device_health,
    device_keys,
    devices,
    enrolments,
    evidence,
    exports,
    incidents,
    invites,
    isolations,
    logs,
    manager,
    models,
    notifications,
    organizations,
    own_sessions,
    packets,
    query,
    suppressions,
    system,
    telemetry,
    terminals,
    tokens,
    triage,
    users,
    verdicts,
    wall,
)
from aggregator.api.asyncapi import describe_feeds
from aggregator.api.authenticator import Authenticator
from aggregator.api.authorization import AuthorizationCodes
from aggregator.api.calls import Calls
from aggregator.api.description import describe_errors
from aggregator.api.envelope import REQUEST_ID_HEADER
from aggregator.api.errors import HANDLERS
from aggregator.api.examples import describe_requests
from aggregator.api.gaps import AskIngest, gaps, metrics
from aggregator.api.health import AskBroker, heads, health, readyz
from aggregator.api.identity import PUBLIC, Guest, authorize
from aggregator.api.intake import Intake, bound_intake
from aggregator.api.live import Door, watch, watch_alerts, watch_presence, watch_readings
from aggregator.api.meter import Meter, Metered
from aggregator.api.pages import reference, root, static_files, version
from aggregator.api.rejects import rejects
from aggregator.commands.commander import Commander
from aggregator.commands.convergence import Convergence
from aggregator.config import AuthConfig, EnrolmentConfig, HttpConfig, ModelsConfig, ShellConfig
from aggregator.export.exporter import Exporter
from aggregator.live import LiveFeed
from aggregator.notify.delivery import Delivery
from aggregator.presence import PresenceKeeper
from aggregator.sandbox.runner import Sandbox
from aggregator.shell.recording import Recordings
from aggregator.shell.shells import Shells
from aggregator.store.archive import Archive
from aggregator.store.backups import Backups
from aggregator.store.database import Database
from aggregator.store.evidence import EvidenceFiles
from aggregator.store.history import History
from aggregator.store.models import ModelFiles
from aggregator.store.room import Room
from aggregator.wall import Wall

PREFIX = "/api/v1"


class Parts(msgspec.Struct, frozen=True):
    """What the application is made of; opened and closed by who composes it."""

    database: Database
    live: LiveFeed
    authenticator: Authenticator
    calls: Calls
    http: HttpConfig
    auth: AuthConfig
    enrolment: EnrolmentConfig
    codes: AuthorizationCodes
    commander: Commander
    convergence: Convergence
    models: ModelsConfig
    model_files: ModelFiles
    delivery: Delivery
    ask_broker: AskBroker
    wall: Wall
    presence: PresenceKeeper
    guests: Mapping[str, Guest]  # the places that are open, and who enters there without a token
    sandbox: Sandbox
    room: Room
    backups: Backups
    archive: Archive
    history: History
    evidence: EvidenceFiles
    exporter: Exporter
    ask_ingest: AskIngest
    shells: Shells
    recordings: Recordings
    shell: ShellConfig


def create_api(parts: Parts) -> Litestar:
    """Return the application; it starts and ends nothing."""
    native = Router(
        PREFIX,
        route_handlers=[
            auth.router,
            authenticators.router,
            commands.router,
            alerts.router,
            evidence.router,
            exports.router,
            exports.outputs,
            triage.router,
            devices.router,
            device_health.router,
            desired.router,
            models.router,
            models.bundles,
            enrolments.router,
            device_events.native,
            telemetry.router,
            logs.router,
            packets.router,
            analytics.router,
            system.router,
            dashboard.router,
            verdicts.router,
            isolations.router,
            audit.router,
            device_keys.router,
            incidents.router,
            invites.router,
            notifications.router,
            organizations.router,
            own_sessions.router,
            tokens.router,
            users.router,
            query.router,
            suppressions.router,
            terminals.router,
            backup.router,
            billing.router,
            gaps,
            rejects,
            describe,
            describe_feeds,
            watch,
        ],
    )
    given = msgspec.structs.asdict(parts)
    meter = Meter()
    given["meter"] = meter
    intake = Intake(parts.room, parts.http)
    given["intake"] = intake
    given["terminals"] = terminals.Terminals(
        parts.shells, parts.recordings, parts.database, parts.codes, parts.shell
    )
    given["door"] = Door(parts.authenticator, parts.http, parts.guests)
    app = Litestar(
        route_handlers=[
            native,
            manager.router,
            wall.router,
            device_events.sockets,
            watch_readings,
            watch_presence,
            watch_alerts,
            terminals.open_terminal,
            health,
            readyz,
            *heads,
            metrics,
            root,
            reference,
            *static_files(),
        ],
        guards=[authorize, bound_intake],
        dependencies={
            name: Provide(Giver(part), sync_to_thread=False) for name, part in given.items()
        },
        exception_handlers={**HANDLERS, HTTPException: manager.answer_unrouted},
        middleware=[DefineMiddleware(Metered, meter=meter)],
        cors_config=_cors(parts.http),
        logging_config=None,
        openapi_config=_openapi(),
        request_max_body_size=parts.http.max_body_bytes,
        state=State(
            {
                "authenticator": parts.authenticator,
                "calls": parts.calls,
                "intake": intake,
                "guests": parts.guests,
                "allowed_origins": parts.http.allowed_origins,
            }
        ),
    )
    _allow_options(app)
    describe_errors(app)
    describe_requests(app)
    return app


class Giver:
    """Gives the same part to every route that asks for it."""

    def __init__(self, part: object) -> None:
        self._part = part

    def __call__(self) -> object:
        """Return the part."""
        return self._part


def _allow_options(app: Litestar) -> None:
    """Have OPTIONS name every method of a path: the framework's own knows those of one router."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            handler, _ = route.route_handler_map["OPTIONS"]
            handler.before_request = _Methods(route.methods)


class _Methods:
    def __init__(self, methods: Iterable[str]) -> None:
        self._allow = {"Allow": ", ".join(sorted(methods))}

    async def __call__(self, _: Request[Any, Any, Any]) -> Response[None]:
        return Response(None, status_code=HTTPStatus.NO_CONTENT, headers=self._allow)


def _cors(http: HttpConfig) -> CORSConfig | None:
    if not http.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(http.allowed_origins),
        allow_credentials=http.cors_credentials,
        allow_methods=list(http.cors_methods),
        allow_headers=list(http.cors_headers),
        expose_headers=[
            "X-Total-Count",
            "Retry-After",
            "X-Rows",
            "X-Truncated",
            "X-As-Of",
            "X-Since",
            "X-Community-ID",
            REQUEST_ID_HEADER,
        ],
    )


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def describe(request: Request[Any, Any, Any]) -> Response[bytes | None]:
    """Return the description of this API, or that it is the one that the client has."""
    body = _described(request)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(None, status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, media_type=MediaType.JSON, headers=headers)


def _described(request: Request[Any, Any, Any]) -> bytes:
    # Once: it takes 80 ms, in which nobody else is served, and whoever comes may ask for it.
    state = request.app.state
    if "description" not in state:
        state["description"] = encode_json(request.app.openapi_schema.to_schema())
    return bytes(state["description"])


class _Described(JsonRenderPlugin):
    def render(self, request: Request[Any, Any, Any], _: dict[str, Any]) -> bytes:
        return _described(request)


def _openapi() -> OpenAPIConfig:
    # The framework's own routes answer everything unknown under their path with HTML: they get
    # a corner of their own, and `describe` gives the description where it is looked for.
    router = Router(f"{PREFIX}/schema", route_handlers=[], opt=PUBLIC, include_in_schema=False)
    return OpenAPIConfig(
        title="Edgewarden aggregator",
        version=version(),
        openapi_router=router,
        render_plugins=[_Described()],
    )
