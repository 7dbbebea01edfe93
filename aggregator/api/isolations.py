"""/api/v1/ports: which hosts and bridge ports are cut off."""

import time

from litestar import Router, get
from litestar.di import NamedDependency

from aggregator.api.identity import ApiRequest
from aggregator.shapes import IsolationShape, isolation_shape
from aggregator.store.database import Database
from aggregator.store.isolations import IsolationFilter, find_isolations


@get("/isolations")
async def list_isolations(
    request: ApiRequest, database: NamedDependency[Database], *, active_only: bool = True
) -> list[IsolationShape]:
    """Return isolations, newest first; simulated ones cut nobody off and are not active."""
    rows = await find_isolations(
        database,
        request.user.organization,
        IsolationFilter(active_only=active_only),
        now_ns=time.time_ns(),
    )
    return [isolation_shape(row) for row in rows]


router = Router("/ports", route_handlers=[list_isolations], tags=["isolations"])
