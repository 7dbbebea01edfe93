"""Whose messages are taken: those of organizations that there are."""

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from aggregator.ingest.reading import Item, Numbered, Present
from aggregator.store.database import Database
from aggregator.store.organizations import every_organization

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0  # at least, between two looks at which there are
NAMED_S: Final = 300.0  # so long an organization that there is not is named once
MOST_NAMED: Final = 32  # in that time: whoever reaches the broker makes up as many as they like


class Organizations:
    """Which organizations there are, as last seen; none is ever removed.

    What comes for another is not taken: a receipt would have its device forget what nobody can see,
    and whoever made that organization later would find devices and alerts that they never had.

    Args:
        database: Where they are.
        clock: Seconds that only rise.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: frozenset[str] = frozenset()
        self._looked_s: float | None = None
        self._named_s: OrderedDict[str, float] = OrderedDict()

    async def known(self, items: Sequence[Item]) -> list[Item]:
        """Return what came for organizations that there are, or for none at all."""
        wanted = {_organization(item) for item in items} - {None}
        if not wanted <= self._known and self._is_due():
            # All of them, not those that are asked for: a flood of names would hide a new one. And it
            # was a look once it is over: who is cancelled meanwhile has seen nothing.
            self._known = await every_organization(self._database)
            self._looked_s = self._clock()
        if wanted <= self._known:
            return list(items)
        known = self._known | {None}
        self._tell([item for item in items if _organization(item) not in known])
        return [item for item in items if _organization(item) in known]

    def _is_due(self) -> bool:
        return self._looked_s is None or self._clock() - self._looked_s >= LOOK_S

    def _tell(self, unknown: Sequence[Item]) -> None:
        now_s = self._clock()
        while self._named_s and now_s - next(iter(self._named_s.values())) >= NAMED_S:
            self._named_s.popitem(last=False)
        for name, messages in Counter(map(_organization, unknown)).items():
            if name is None or name in self._named_s or len(self._named_s) >= MOST_NAMED:
                continue
            self._named_s[name] = now_s
            log.error("unknown_organization", extra={"organization": name, "messages": messages})


def _organization(item: Item) -> str | None:
    if isinstance(item, Numbered):
        return item.boot.organization
    return item.reported.organization if isinstance(item, Present) else item.organization
