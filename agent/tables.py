"""Hashing of whole columns, and a table of fixed size for what an attacker may invent."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.grouping import Groups
from agent.records import I64, U8, U64, Bool

_M1: Final = np.uint64(0xFF51AFD7ED558CCD)
_M2: Final = np.uint64(0xC4CEB9FE1A85EC53)
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_GROUP_BIT: Final = np.uint64(1 << 40)  # of a MAC
_ALL: Final = 2**64 - 1
NEVER_NS: Final = np.int64(np.iinfo(np.int64).min // 2)
_ONE, _32, _33, _56 = np.uint64(1), np.uint64(32), np.uint64(33), np.uint64(56)
# Times the number whose byte n alone is 1, this has n in its highest byte (on little-endian machines).
_BYTE_NUMBERS: Final = np.uint64(0x0001020304050607)
_LANES: Final = np.array(
    [0x8F14_2AB1_5D3C_6E01 + 0x6A09_E667_F3BC_C909 * lane & _ALL | 1 for lane in range(8)],
    np.uint64,
)


def mixed(values: U64) -> U64:
    """Return each value's bits well stirred (the finalizer of MurmurHash3)."""
    values = (values ^ (values >> _33)) * _M1
    values = (values ^ (values >> _33)) * _M2
    return values ^ (values >> _33)


def hashed(seed: int, *columns: U64) -> U64:
    """Return a 64-bit hash of each row of some integer columns, never 0.

    Args:
        seed: Secret in live operation, so that nobody can aim at a slot of our tables.
        columns: At least one, each of shape (n,).
    """
    state: U64 = columns[0].astype(np.uint64, copy=False) ^ np.uint64(seed + int(_STEP) & _ALL)
    for column in columns[1:]:
        # Folded before it is multiplied: a product carries the highest bit nowhere, and two columns
        # could cancel each other whatever the seed.
        state ^= state >> _32
        state *= _M1
        state ^= column.astype(np.uint64, copy=False)
    state ^= state >> _32
    state *= _M1
    state ^= state >> _33
    state *= _M2
    state ^= state >> _33
    state |= _ONE
    return state


def paired(one: U64, other: U64) -> U64:
    """Return a key for each pair of numbers, never 0; the second of each pair must be a hash."""
    keys = one * _STEP
    keys ^= other
    keys |= _ONE
    return keys


def only_byte(words: U64) -> I64:
    """Return the number of the byte that is 1 in each word whose other bytes are 0; shape (n,)."""
    return (words * _BYTE_NUMBERS >> _56).view(np.int64)


def is_one_of(column: NDArray[Any], *values: int) -> Bool:
    """Return which entries of a column are one of a few values, shape (n,).

    For up to four values it takes a third of the time that a table of `members` does.
    """
    found: Bool = column == values[0]
    for value in values[1:]:
        found |= column == value
    return found


def is_group(mac: U64) -> Bool:
    """Return which MACs are no single host's: broadcast and multicast."""
    found: Bool = mac & _GROUP_BIT > 0
    return found


def members(*values: int) -> Bool:
    """Return a table that says of each number below 65536 whether it is one of the values."""
    table = np.zeros(1 << 16, np.bool_)
    table[list(values)] = True
    return table


def digest_blocks(blocks: U8, lengths: I64) -> U64:
    """Return a 64-bit digest of each row of 64 bytes and the length it stands for, never 0."""
    lanes = np.ascontiguousarray(blocks).view(np.uint64)
    # Each lane is stirred with its own odd constant first: a plain sum would forget their order.
    stirred = lanes + _LANES
    stirred *= _LANES[::-1]
    stirred ^= stirred >> _33
    total = np.einsum("ij->i", stirred) * _M1  # twice as fast as sum(axis=1)
    return mixed(total ^ lengths.astype(np.uint64)) | np.uint64(1)


_AGAIN_BIT, _WAY_BITS, _LOW_BITS = 1, 7, 15


class KeyTable:
    """Slots for keys: set-associative, of fixed size, the longest unused key of a set gives way.

    Keys that were used at more than one moment give way later, so that a flood of invented keys
    pushes out itself first. A key's state lives in the owner's arrays at the slot's index; the owner
    clears it for keys that are new. Keys that do not fit beside others of the same moment get no slot.
    """

    WAYS: Final = 8
    BONUS_NS: Final = 60_000_000_000  # how much younger a key looks that was used again

    def __init__(self, capacity: int, keep_ns: int) -> None:
        """Make an empty table.

        Args:
            capacity: The least number of slots; rounded up to a power of two.
            keep_ns: A key unused for longer is forgotten.
        """
        sets = 1 << (-(-capacity // self.WAYS) - 1).bit_length()
        self.capacity = sets * self.WAYS
        self.keep_ns = keep_ns
        self._bonus_ns = min(keep_ns, self.BONUS_NS) & ~_LOW_BITS
        self.evicted = 0  # keys that gave way before their time
        self.refused = 0  # keys that got no slot
        self._shift = np.uint64(64 - (sets.bit_length() - 1))
        self._keys = np.zeros((sets, self.WAYS), np.uint64)
        # When it was used, later if used again. In the lowest bits ride the way, so that the least of
        # a set says where it is, and whether it was used again. Windows start at whole seconds, which
        # leave these bits free.
        self._rank_ns = np.tile(NEVER_NS + 2 * np.arange(self.WAYS), (sets, 1))

    @property
    def used(self) -> int:
        """How many slots were ever given to a key; never more than `capacity`."""
        return int(np.count_nonzero(self._keys))

    def find(self, keys: U64, now_ns: int) -> I64:
        """Return the slot of each key, -1 where it is unknown or forgotten; shape (n,)."""
        if not len(keys):
            return np.zeros(0, np.int64)
        slots = self._matching(keys, self._sets(keys))
        slots[self._used_ns(self._rank_ns.take(slots)) < now_ns - self.keep_ns] = -1
        return slots

    def _used_ns(self, rank_ns: I64) -> I64:
        """Return when the slots of some ranks were used."""
        return (rank_ns & ~_LOW_BITS) - (rank_ns & _AGAIN_BIT) * self._bonus_ns

    def _matching(self, keys: U64, sets: I64) -> I64:
        """Return the slot that holds each key, however old, -1 where none does."""
        slots = np.full(len(keys), -1, np.int64)
        match = self._keys.take(sets, axis=0).ravel() == keys.repeat(self.WAYS)
        ways = match.view(np.uint64)  # of eight bytes one is 1, or none
        rows = (ways != 0).nonzero()[0]
        slots[rows] = sets.take(rows) * self.WAYS + only_byte(ways.take(rows))
        return slots

    def claim(self, keys: U64, now_ns: int) -> tuple[I64, Bool]:
        """Give each key a slot and mark it as used now.

        Args:
            keys: Distinct keys, none 0, shape (n,).
            now_ns: The data's time; may go back.

        Returns:
            Slots, -1 where all slots of the set were used at this moment; and whether the key is new
            (its slot holds the state of another key, or an old one), both of shape (n,).
        """
        if not len(keys):
            return np.zeros(0, np.int64), np.zeros(0, np.bool_)
        sets = self._sets(keys)
        slots = self._matching(keys, sets)
        used_ns = self._used_ns(self._rank_ns.take(slots))
        fresh = used_ns < now_ns - self.keep_ns
        fresh |= slots < 0
        known = slots.take((~fresh & (used_ns != now_ns & ~_LOW_BITS)).nonzero()[0])
        self._rank(known, now_ns + self._bonus_ns, _AGAIN_BIT)
        missing = fresh.nonzero()[0]
        if len(missing):
            old = slots[missing]
            self._rank(old[old >= 0], now_ns, 0)
            missing = missing[slots[missing] < 0]
            slots[missing] = self._settled(keys[missing], sets[missing], now_ns)
        return slots, fresh

    def _rank(self, slots: I64, time_ns: int, again: int) -> None:
        lowest = (time_ns & ~_LOW_BITS) + again
        self._rank_ns.reshape(-1)[slots] = lowest + 2 * (slots & _WAY_BITS)

    def _settled(self, keys: U64, sets: I64, now_ns: int) -> I64:
        """Give newcomers the oldest slots of their sets, -1 where a set has no more to give."""
        groups = Groups.of(sets.view(np.uint64))
        order = groups.order
        turn = np.arange(len(keys)) - np.repeat(groups.starts, groups.sizes)  # in its set
        ranks = self._rank_ns.take(sets.take(groups.first), axis=0)
        ranks.sort(axis=1)
        place = np.repeat(np.arange(len(groups)) * self.WAYS, groups.sizes)
        rank = ranks.take(place + np.minimum(turn, self.WAYS - 1))
        slot = sets.take(order) * self.WAYS + (rank >> 1 & _WAY_BITS)
        oldest = self._used_ns(rank)
        # A later newcomer does not push out what was used again: the one before it looks older.
        free = (
            (oldest != now_ns & ~_LOW_BITS) & (turn < self.WAYS) & ((turn == 0) | (rank < now_ns))
        )
        self.evicted += int(np.count_nonzero(free & (oldest >= now_ns - self.keep_ns)))
        settled = free.nonzero()[0]
        self.refused += len(keys) - len(settled)
        order, slot = order.take(settled), slot.take(settled)
        self._keys.reshape(-1)[slot] = keys.take(order)
        self._rank(slot, now_ns, 0)
        slots = np.full(len(keys), -1, np.int64)
        slots[order] = slot
        return slots

    def _sets(self, keys: U64) -> I64:
        # Multiplied once more: the low bits of a product are made of few bits of the key.
        return ((keys * _STEP) >> self._shift).view(np.int64)
