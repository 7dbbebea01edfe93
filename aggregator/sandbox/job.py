"""What goes into the process that runs a statement, and what comes out of it."""

from typing import Annotated, Literal

import msgspec

from aggregator.config import QueryConfig

Format = Literal["json", "csv", "arrow", "parquet"]
MAX_SQL_CHARACTERS = 20_000
MAX_ROWS = 100_000

Sql = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SQL_CHARACTERS)]
RowLimit = Annotated[int, msgspec.Meta(ge=1, le=MAX_ROWS)]


class View(msgspec.Struct, frozen=True):
    """A view as it is made."""

    name: str
    sql: str


class Comment(msgspec.Struct, frozen=True):
    """What a view, or one of its columns, means."""

    view: str
    column: str | None
    text: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One statement to run; its files lie in the working directory, a folder for each view."""

    sql: str
    format: Format
    limit: int
    limits: QueryConfig
    as_of: str  # when the files were up to date, RFC 3339
    files: list[str]  # the views that are read from files
    derived: list[View]  # the views that are made of them, in an order that works
    comments: list[Comment]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it; the result itself goes to standard output."""

    refusal: str | None = None  # why there is no result
    rows: int = 0
    truncated: bool = False
