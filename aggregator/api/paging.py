"""Long lists in pages, and the numbers of what is in them."""

from datetime import datetime
from typing import Annotated, TypeVar

from litestar import Response
from litestar.params import Parameter

from aggregator.shapes import NS_PER_S, rfc3339

MAX_PAGE = 1000

RowId = Annotated[int, Parameter(ge=0, le=2**53)]  # what JavaScript and a column hold
Skip = Annotated[int, Parameter(ge=0, le=10_000_000)]
Limit = Annotated[int, Parameter(ge=1, le=MAX_PAGE)]
Text = Annotated[str | None, Parameter(max_length=200)]

T = TypeVar("T")


def paged(items: list[T], total: int, since: datetime | None = None) -> Response[list[T]]:
    """Return a page; X-Total-Count says how many there are in all, X-Since from when on if not of all time."""
    headers = {"X-Total-Count": str(total)}
    if since is not None:
        headers["X-Since"] = rfc3339(int(since.timestamp()) * NS_PER_S)
    return Response(items, headers=headers)
