"""Whether we live, and whether we can do our work."""

from collections.abc import Callable
from http import HTTPStatus

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from aggregator.api.identity import PUBLIC
from aggregator.store.database import Database
from aggregator.store.users import count_users


class Healthy(msgspec.Struct, frozen=True):
    """We live."""

    status: str = "healthy"


class Readiness(msgspec.Struct, frozen=True):
    """Whether what we depend on is there."""

    status: str
    broker_connected: bool
    broker: str  # where it is, and which one when it is our own


class BrokerState(msgspec.Struct, frozen=True):
    """How things stand with the broker."""

    connected: bool
    name: str


AskBroker = Callable[[], BrokerState]


@get(["/health", "/api/v1/health"], opt=PUBLIC, tags=["system"])
async def health() -> Healthy:
    """Say that we live."""
    return Healthy()


@get("/readyz", opt=PUBLIC, tags=["system"])
async def readyz(
    database: NamedDependency[Database], ask_broker: NamedDependency[AskBroker]
) -> Response[Readiness]:
    """Say whether database and broker answer."""
    await count_users(database)
    state = ask_broker()
    ready = Readiness(
        status="ready" if state.connected else "waiting for the broker",
        broker_connected=state.connected,
        broker=state.name,
    )
    return Response(
        ready, status_code=HTTPStatus.OK if state.connected else HTTPStatus.SERVICE_UNAVAILABLE
    )
