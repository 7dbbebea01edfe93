"""Who holds a session: every request asks, and every open socket every few seconds."""

import time
from collections.abc import Collection
from typing import Final

from aggregator.store.database import Database
from aggregator.store.sessions import Holder, holders_of
from aggregator.store.users import SessionUser
from aggregator.together import Together

KEPT: Final = 10_000
_TABLES: Final = ("sessions", "users")


class Holders:
    """The users of sessions, kept for as long as nothing is written about sessions or users.

    So a session that is revoked is over at once, and a role that is changed is another at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self._find)
        self._kept: dict[str, Holder] = {}
        self._changes = 0  # of the tables, when these were read

    async def get(self, session_id: str) -> SessionUser | None:
        """Return the user of a session that is neither revoked nor over."""
        changes = self._database.changes(*_TABLES)
        if changes != self._changes:
            self._kept.clear()
            self._changes = changes
        holder = self._kept.get(session_id)
        if holder is None:
            holder = await self._together.get(session_id)
            if holder is None:
                return None
            self._keep(holder, changes)
        return holder.user if holder.expires_ns > time.time_ns() else None

    def _keep(self, holder: Holder, changes: int) -> None:
        if changes != self._changes:  # it was read before that
            return
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[holder.session_id] = holder

    async def _find(self, session_ids: Collection[str]) -> dict[str, Holder]:
        return await holders_of(self._database, session_ids, time.time_ns())
