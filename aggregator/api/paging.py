"""Long lists in pages, and the numbers of what is in them."""

from typing import Annotated, TypeVar

from litestar import Response
from litestar.params import Parameter

MAX_PAGE = 1000

RowId = Annotated[int, Parameter(ge=0, le=2**53)]  # what JavaScript and a column hold
Skip = Annotated[int, Parameter(ge=0, le=10_000_000)]
Limit = Annotated[int, Parameter(ge=1, le=MAX_PAGE)]
Text = Annotated[str | None, Parameter(max_length=200)]

T = TypeVar("T")


def paged(items: list[T], total: int) -> Response[list[T]]:
    """Return a page; X-Total-Count says how many there are in all."""
    return Response(items, headers={"X-Total-Count": str(total)})
