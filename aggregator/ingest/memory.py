"""What of the database is known without asking, because this process alone changes it."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aggregator.store.database import Database
from aggregator.store.devices import Heard
from aggregator.store.watermarks import Boot, Mark, find_marks

MOST_BOOTS: Final = 20_000
NOTED_NS: Final = 1_000_000_000  # so long it need not be noted again that a device was heard


class Memory:
    """How far boots are stored, and when it was last noted that their devices were heard.

    Asking cost a tenth of the CPU of a busy centre. What is remembered was committed; after a
    transaction of which that is not certain, it is asked again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._marks: OrderedDict[Boot, Mark] = OrderedDict()
        self._noted_ns: dict[tuple[str, str], int] = {}

    async def marks(self, boots: Iterable[Boot]) -> dict[Boot, Mark]:
        """Return the marks of those boots of which anything is stored."""
        wanted = set(boots)
        if unknown := [boot for boot in wanted if boot not in self._marks]:
            await self._database.settle()  # whose transaction was given up may yet be committed
            self._keep(await find_marks(self._database, unknown))
        return {boot: self._marks[boot] for boot in wanted if boot in self._marks}

    def to_note(self, lost: Mapping[tuple[str, str], int], now_ns: int) -> list[Heard]:
        """Return of which devices it is to be noted that they were heard.

        Args:
            lost: How many messages each of them lost since.
            now_ns: What is noted.
        """
        return [
            Heard(*sender, count)
            for sender, count in lost.items()
            if count or abs(now_ns - self._noted_ns.get(sender, 0)) >= NOTED_NS
        ]

    def stored(self, moved: Mapping[Boot, Mark], noted: Sequence[Heard], now_ns: int) -> None:
        """Remember what a transaction has committed."""
        self._keep(moved)
        if len(self._noted_ns) > MOST_BOOTS:
            self._noted_ns.clear()
        self._noted_ns |= {(one.organization, one.device_id): now_ns for one in noted}

    def forget(self, moved: Iterable[Boot]) -> None:
        """Ask the database again about boots whose transaction may or may not have been committed."""
        for boot in moved:
            self._marks.pop(boot, None)

    def _keep(self, marks: Mapping[Boot, Mark]) -> None:
        for boot, mark in marks.items():
            self._marks[boot] = mark
            self._marks.move_to_end(boot)
        while len(self._marks) > MOST_BOOTS:
            self._marks.popitem(last=False)
