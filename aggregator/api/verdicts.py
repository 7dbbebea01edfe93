"""/api/v1/verdicts: what agents concluded, window by window."""

import time
from datetime import datetime

from litestar import Response, Router, get
from litestar.di import NamedDependency

from aggregator.api.identity import ApiRequest
from aggregator.api.paging import Limit, Skip, Text, paged
from aggregator.api.times import to_ns
from aggregator.samples import VerdictShape, verdict_shape
from aggregator.store.database import Database
from aggregator.store.verdicts import VerdictFilter, count_verdicts, newest_verdicts


@get("/")
async def list_verdicts(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    device_id: Text = None,
    host: Text = None,
    label: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[VerdictShape]]:
    """Return verdicts of the last days, newest first; earlier ones are found by POST /query.

    X-Total-Count says how many there are in these days.
    """
    wanted = VerdictFilter(
        device_id=device_id, host=host, label=label, since_ns=to_ns(since), until_ns=to_ns(until)
    )
    organization = request.user.organization
    rows = await newest_verdicts(
        database, organization, wanted, now_ns=time.time_ns(), limit=limit, skip=skip
    )
    total = await count_verdicts(database, organization, wanted)
    return paged([verdict_shape(row) for row in rows], total)


router = Router("/verdicts", route_handlers=[list_verdicts], tags=["verdicts"])
