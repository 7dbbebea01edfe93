"""Whether we live, and whether we can do our work."""

from collections.abc import Callable
from http import HTTPStatus

import msgspec
from litestar import HttpMethod, Response, get, route
from litestar.di import NamedDependency

from aggregator.api.identity import PUBLIC
from aggregator.export.exporter import Exporter
from aggregator.store.database import Database
from aggregator.store.room import Room
from aggregator.store.users import count_users

HEALTH = ["/health", "/api/v1/health"]
READY = "/readyz"
READ = (HttpMethod.GET, HttpMethod.HEAD)  # who watches whether we are up may leave the body out


class Healthy(msgspec.Struct, frozen=True):
    """We live."""

    status: str = "healthy"


class Readiness(msgspec.Struct, frozen=True):
    """Whether what we depend on is there."""

    status: str
    broker_connected: bool
    broker: str  # where it is, and which one when it is our own
    disk_has_room: bool  # without it nothing more is taken in
    # We are ready all the same with these:
    exports_failing: int  # outputs of alerts whose receivers are waited for
    logs_set_aside: int  # write-ahead logs that could not be read, while their files lie there


class BrokerState(msgspec.Struct, frozen=True):
    """How things stand with the broker."""

    connected: bool
    name: str


AskBroker = Callable[[], BrokerState]


@get(HEALTH, opt=PUBLIC, tags=["system"])
async def health() -> Healthy:
    """Say that we live."""
    return Healthy()


@get(READY, opt=PUBLIC, tags=["system"])
async def readyz(
    database: NamedDependency[Database],
    ask_broker: NamedDependency[AskBroker],
    room: NamedDependency[Room],
    exporter: NamedDependency[Exporter],
) -> Response[Readiness]:
    """Say whether database and broker answer, and the disk is not full."""
    await count_users(database)
    state = ask_broker()
    has_room = room.is_enough()
    ready = Readiness(
        status=_status(connected=state.connected, has_room=has_room),
        broker_connected=state.connected,
        broker=state.name,
        disk_has_room=has_room,
        exports_failing=sum(each.last_error is not None for each in exporter.states()),
        logs_set_aside=database.logs_set_aside(),
    )
    good = state.connected and has_room
    return Response(ready, status_code=HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)


def _status(*, connected: bool, has_room: bool) -> str:
    if not has_room:
        return "the disk is full"
    return "ready" if connected else "waiting for the broker"


# Not in the description: what holds of GET holds of them.
heads = [
    route(HEALTH, http_method=HttpMethod.HEAD, opt=PUBLIC, include_in_schema=False)(health.fn),
    route(READY, http_method=HttpMethod.HEAD, opt=PUBLIC, include_in_schema=False)(readyz.fn),
]
