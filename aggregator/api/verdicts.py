"""/api/v1/verdicts: what agents concluded, window by window."""

from datetime import datetime
from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from aggregator.api.identity import ApiRequest
from aggregator.api.times import to_ns
from aggregator.shapes import VerdictShape, verdict_shape
from aggregator.store.database import Database
from aggregator.store.verdicts import VerdictFilter, find_verdicts

Limit = Annotated[int, Parameter(ge=1, le=1000)]
Text = Annotated[str | None, Parameter(max_length=200)]


@get("/")
async def list_verdicts(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    device_id: Text = None,
    host: Text = None,
    label: Text = None,
    since: datetime | None = None,
    limit: Limit = 100,
) -> list[VerdictShape]:
    """Return verdicts of the last days, newest first; earlier ones are found by POST /query."""
    wanted = VerdictFilter(
        device_id=device_id, host=host, label=label, since_ns=to_ns(since), limit=limit
    )
    rows = await find_verdicts(database, request.user.organization, wanted)
    return [verdict_shape(row) for row in rows]


router = Router("/verdicts", route_handlers=[list_verdicts], tags=["verdicts"])
