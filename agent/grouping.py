"""Equal keys brought together: by one sort of whole columns, whatever their number."""

from typing import Final, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.records import I16, I64, U64

_FEW_ROWS: Final = 10  # a group

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Groups(msgspec.Struct, frozen=True, eq=False):
    """Rows grouped by a key, groups in ascending order of it."""

    order: I64  # row numbers, those of one group together and in their old order, shape (rows,)
    starts: I64  # where in `order` each group starts, shape (groups,)
    sizes: I64  # how many rows each group has, shape (groups,)

    @classmethod
    def of(cls, keys: U64) -> Self:
        """Group equal keys, shape (rows,)."""
        order, ordered = _sorted(keys)
        fresh = np.empty(len(keys) + 1, np.bool_)
        fresh[0] = fresh[-1] = True
        np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:-1])
        bounds = fresh.nonzero()[0]
        return cls(order, bounds[:-1], bounds[1:] - bounds[:-1])

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.starts)

    @property
    def first(self) -> I64:
        """The first row of each group, shape (groups,)."""
        return self.order.take(self.starts)

    @property
    def last(self) -> I64:
        """The last row of each group, shape (groups,)."""
        return self.order.take(self.starts + self.sizes - 1)

    def least(self, ranks: U64) -> I64:
        """Return of each group the row of the least rank, of equal ones the first; shape (groups,)."""
        ordered = ranks.take(self.order)
        best = np.minimum.reduceat(ordered, self.starts) if len(self.starts) else ordered
        found: I64 = (ordered == best.repeat(self.sizes)).nonzero()[0]
        return self.order.take(found.take(found.searchsorted(self.starts)))

    def of_rows(self) -> I64:
        """Return for each row which group it belongs to, shape (rows,)."""
        return self.spread(np.arange(len(self.starts)))

    def spread(self, values: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """Return for each row what its group has of some values, shape (rows,)."""
        rows = np.empty(len(self.order), values.dtype)
        rows[self.order] = values.repeat(self.sizes)
        return rows

    def sums(self, amounts: I64) -> I64:
        """Return the sum of each group, shape (groups,)."""
        ordered = amounts.take(self.order)
        if len(self.starts) * _FEW_ROWS <= len(ordered):
            return np.add.reduceat(ordered, self.starts) if len(self.starts) else ordered
        # Of small groups a third of what reduceat takes; wholes wrap around and come back.
        sums: I64 = ordered.cumsum().take(self.starts + self.sizes - 1)
        sums[1:] -= sums[:-1]
        return sums

    def most(self, values: I16) -> I16:
        """Return the largest of each group, shape (groups,)."""
        ordered = values.take(self.order)
        largest: I16 = np.maximum.reduceat(ordered, self.starts) if len(self.starts) else ordered
        return largest

    def only(self, groups: I64) -> Self:
        """Return some of the groups."""
        sizes = self.sizes[groups]
        starts = np.cumsum(sizes) - sizes
        moved = np.repeat(self.starts[groups] - starts, sizes)
        return type(self)(self.order[moved + np.arange(len(moved))], starts, sizes)


def distinct(keys: U64) -> U64:
    """Return each key once, ascending."""
    return keys.take(Groups.of(keys).first)


def oldest_first(time_ns: I64) -> I64:
    """Return row numbers by time, rows of one moment in their old order; shape (n,)."""
    return sorted_rows(since_first(time_ns))


def since_first(time_ns: I64) -> U64:
    """Return how long after the earliest each moment is, shape (n,)."""
    since: I64 = time_ns - time_ns.min(initial=np.iinfo(np.int64).max)
    return since.view(np.uint64)


def sorted_rows(keys: U64) -> I64:
    """Return row numbers sorted by key, rows of one key in their old order; shape (n,)."""
    return _sorted(keys)[0]


def _sorted(keys: U64) -> tuple[I64, U64]:
    """Return row numbers as by sorted_rows, and the keys in that order.

    Row numbers ride in the low bits of what is sorted, which is ten times faster than a stable
    argsort and as stable. Where small keys leave no room below they are moved up; of large ones
    the low bits give way, and only where nothing else tells two keys apart is the slow way taken.
    """
    rows = np.arange(len(keys), dtype=np.uint64)
    bits = len(keys).bit_length()
    low = np.uint64((1 << bits) - 1)
    if len(keys) and int(keys.max()).bit_length() + bits <= 64:  # noqa: PLR2004 bits of a key
        packed = keys << np.uint64(bits) | rows
        packed.sort()
        return (packed & low).view(np.int64), packed >> np.uint64(bits)
    packed = keys & ~low | rows
    packed.sort()
    packed &= low
    order = packed.view(np.int64)
    ordered = keys.take(order)
    if np.count_nonzero(ordered[1:] < ordered[:-1]):
        order = np.argsort(keys, kind="stable")
        ordered = keys.take(order)
    return order, ordered
