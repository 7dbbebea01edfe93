"""/api/v1/query: SQL over what an organization has, in a sandbox."""

from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency

from aggregator.api.identity import ANALYST, ApiRequest, person
from aggregator.sandbox.job import Format, RowLimit, Sql
from aggregator.sandbox.runner import Query, Sandbox
from aggregator.shapes import rfc3339

MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT over the views, and how its rows are wanted."""

    sql: Sql
    format: Format = "json"
    limit: RowLimit = 1000


@post("/", opt=ANALYST | {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)}, status_code=HTTPStatus.OK)
async def query(
    request: ApiRequest, data: Question, sandbox: NamedDependency[Sandbox]
) -> Response[bytes]:
    """Return the rows of a SELECT, at most `limit` of them.

    The headers X-Rows, X-Truncated and X-As-Of say how many there are, whether there are more, and
    how new they are; JSON says it in its body as well.
    """
    asked = Query(
        organization=request.user.organization,
        asker=str(person(request).user.id),
        sql=data.sql,
        format=data.format,
        limit=data.limit,
    )
    result = await sandbox.run(asked)
    return Response(
        result.body,
        media_type=MEDIA_TYPES[data.format],
        headers={
            "X-Rows": str(result.rows),
            "X-Truncated": str(result.truncated).lower(),
            "X-As-Of": rfc3339(result.as_of_ns),
        },
    )


router = Router("/query", route_handlers=[query], tags=["query"])
