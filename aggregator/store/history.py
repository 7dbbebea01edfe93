"""Rows that only grow, wherever they are: the last days in the database, earlier ones in the archive."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from aggregator.errors import InvalidError, StoreError
from aggregator.store.archive import Archive, Part, day_before
from aggregator.store.database import Database
from aggregator.store.texts import growing

R = TypeVar("R", bound=msgspec.Struct)

LONGEST_S = 20.0
TRIES = 3  # the hour at which a day leaves the database comes once a day


class _Left(msgspec.Struct, frozen=True):
    day: str | None


class History:
    """Asks queries of the database and, where they look back further, of the archive.

    One at a time looks into the archive: whatever is asked, other reads have their threads.

    Args:
        database: Where the last days are.
        archive: Where all days are.
    """

    def __init__(self, database: Database, archive: Archive) -> None:
        self._database = database
        self._archive = archive
        self._turn = asyncio.Lock()

    async def read(
        self, query: str, parameters: Mapping[str, object], row: type[R], *, since_ns: int | None
    ) -> list[R]:
        """Return the rows of a query as `Database.read` does.

        Args:
            query: Names what it reads as `/* rows: view */`.
            parameters: With the organization.
            row: What its columns are.
            since_ns: How far back it looks; None: no further than the database.

        Raises:
            StoreError: The statement failed, or a file of the archive cannot be read.
            InvalidError: It takes longer than others should have to wait.
        """
        if since_ns is None or not growing(query):
            return await self._database.read(query, parameters, row)
        files = await self._files(query, parameters, since_ns)
        if not files:
            rows = await self._database.read(query, parameters, row)
            if not await self._files(query, parameters, since_ns):
                return rows
        async with self._turn:
            try:
                async with asyncio.timeout(LONGEST_S):
                    return await self._look(query, parameters, row, since_ns)
            except TimeoutError as error:
                message = (
                    f"to look back so far takes longer than {LONGEST_S:.0f} s: "
                    "choose a later `since`, or ask by POST /query"
                )
                raise InvalidError(message) from error

    async def _look(
        self, query: str, parameters: Mapping[str, object], row: type[R], since_ns: int
    ) -> list[R]:
        files = await self._files(query, parameters, since_ns)
        for _ in range(TRIES):
            read_from = files
            try:
                rows = await self._database.read(query, parameters, row, files=read_from)
            except StoreError:
                files = await self._files(query, parameters, since_ns)
                if files == read_from:
                    raise
                continue
            # What left the database meanwhile, or is in another file now, may be missing.
            files = await self._files(query, parameters, since_ns)
            if files == read_from:
                return rows
        message = f"{query}: the archive changes faster than it is read"
        raise StoreError(message)

    async def begins(
        self, view: str, organization: str, since_ns: int | None = None
    ) -> datetime | None:
        """Return from when on rows are given that are read from the database alone.

        Args:
            view: Which rows.
            organization: Whose.
            since_ns: As it was given to `read`.

        Returns:
            None: The archive was read, too, or has nothing that the database has not.
        """
        if since_ns is not None:
            return None
        sought = {"view": view, "organization": organization}
        day = (await self._database.read("left_day", sought, _Left))[0].day
        return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC)

    async def _files(
        self, query: str, parameters: Mapping[str, object], since_ns: int
    ) -> dict[str, list[str]]:
        """Return the files of each view that a query looks into, of views that have any."""
        sought = {
            "views": list(growing(query)),
            "organization": parameters["organization"],
            "first_day": day_before(since_ns, 1),  # a device's clock may be ahead of ours
        }
        files: dict[str, list[str]] = {}
        for part in await self._database.read("earlier_parts", sought, Part):
            files.setdefault(part.view, []).append(str(self._archive.path.resolve() / part.file))
        return files


def back_to(since_ns: int | None, until_ns: int | None) -> int | None:
    """Return how far back somebody looks who may say either; None: no further than the database."""
    return 0 if since_ns is None and until_ns is not None else since_ns
