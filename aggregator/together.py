"""What many ask for at about the same time, asked once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Round(Generic[K, V]):
    def __init__(self) -> None:
        self.keys: set[K] = set()
        self.found: Mapping[K, V] | None = None


class Together(Generic[K, V]):
    """Who asks while another question is under way waits for it, and all who waited ask as one.

    An answer is never older than the question: nobody joins one that is under way.

    Args:
        find: Returns what there is of some keys, and raises what those who ask are given.
    """

    def __init__(self, find: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._find = find
        self._next = _Round[K, V]()
        self._turn = asyncio.Lock()

    async def get(self, key: K) -> V | None:
        """Return what there is of a key, if there is anything."""
        mine = self._next
        mine.keys.add(key)
        async with self._turn:
            if mine.found is None:  # nobody of this round was first, or who was has failed or left
                if self._next is mine:
                    self._next = _Round()
                mine.found = await self._find(mine.keys)
        return mine.found.get(key)
