"""/api/v1/query: SQL over what an organization has, in a sandbox."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType

from aggregator.api.identity import ANALYST, ApiRequest, person
from aggregator.sandbox.job import Format, RowLimit, Sql
from aggregator.sandbox.runner import Query, Sandbox
from aggregator.shapes import rfc3339

MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}


_TEXT: Final = Schema(type=OpenAPIType.STRING)
_BYTES: Final = Schema(type=OpenAPIType.STRING, content_media_type="application/octet-stream")
_COLUMN: Final = Schema(
    type=OpenAPIType.OBJECT, properties={"name": _TEXT, "type": _TEXT}, required=["name", "type"]
)
_JSON: Final = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "as_of": Schema(type=OpenAPIType.STRING, description="how new the rows are"),
        "truncated": Schema(type=OpenAPIType.BOOLEAN, description="whether there are more"),
        "columns": Schema(type=OpenAPIType.ARRAY, items=_COLUMN),
        "rows": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.ARRAY)),
    },
    required=["as_of", "truncated", "columns", "rows"],
)
_ROWS: Final = {
    "as_of": "2026-01-01T12:00:00.000000Z",
    "truncated": False,
    "columns": [
        {"name": "attack_type", "type": "VARCHAR"},
        {"name": "alerts", "type": "BIGINT"},
    ],
    "rows": [["Scan", 3]],
}


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT over the views, and how its rows are wanted."""

    sql: Sql
    format: Format = "json"
    limit: RowLimit = 1000


@dataclass  # or nobody calls __post_init__
class Answers(Operation):
    """The operation of asking, whose answer is in the format that was asked for."""

    def __post_init__(self) -> None:
        """Say what the answer may be."""
        self.responses = dict(self.responses or {}) | {
            str(HTTPStatus.OK.value): OpenAPIResponse(
                description="The rows, in the format that was asked for",
                content={
                    MEDIA_TYPES["json"]: OpenAPIMediaType(schema=_JSON, example=_ROWS),
                    MEDIA_TYPES["csv"]: OpenAPIMediaType(
                        schema=_TEXT, example="attack_type,alerts\nScan,3\n"
                    ),
                    MEDIA_TYPES["arrow"]: OpenAPIMediaType(schema=_BYTES),
                    MEDIA_TYPES["parquet"]: OpenAPIMediaType(schema=_BYTES),
                },
            )
        }


@post(
    "/",
    opt=ANALYST | {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)},
    status_code=HTTPStatus.OK,
    operation_class=Answers,
)
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
