"""Finds where the records of a capture start: guessed for a whole stretch, then proven link by link."""

from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from agent.records import I64, Bool
from agent.tables import only_byte

STRETCH_BYTES = 1 << 19
_MIN_RECORDS_A_GAP = 8  # on average; with fewer, guessing is led astray by what records hold
_MIN_BYTES_A_RECORD = (
    64  # of Ethernet in a pcap file; more hits than that are padding, not records
)

_ONE = np.uint64(1)

Guess = Callable[[int, int], tuple[I64, I64]]
OneByOne = Callable[[int], tuple[list[int], int]]


def record_starts(at: int, end: int, guess: Guess, one_by_one: OneByOne) -> tuple[I64, int]:
    """Go from record to record.

    Args:
        at: Where the first record starts.
        end: Where the bytes end.
        guess: Names places between two bounds that may be starts, ascending, and where records
            would end that started there. What it misses or makes up costs time only.
        one_by_one: Goes from a place to the end, or to a record that is damaged or not whole;
            returns the starts passed, and the place that it reached.

    Returns:
        The starts of whole records in an unbroken chain from `at`, and the end of the last.
    """
    found: list[I64] = []
    worthwhile = True
    while worthwhile and at < end:
        chain, after = _linked(*guess(at, min(at + STRETCH_BYTES, end)), at, end)
        found += chain
        records = sum(map(len, chain))
        worthwhile = records >= max(len(chain) * _MIN_RECORDS_A_GAP, 1)
        at = after
    singles, at = one_by_one(at)
    return np.concatenate([*found, np.array(singles, np.int64)]), at


def places_of(flags: Bool) -> I64:
    """Return where flags are set, or nothing where that is too often to be of any use.

    Args:
        flags: Contiguous, a multiple of 8 long.
    """
    eights = flags.view(np.uint64)  # few are set: looking at eight at once is five times faster
    some: I64 = (eights != 0).nonzero()[0]
    if len(some) * _MIN_BYTES_A_RECORD > len(flags):
        return some[:0]
    words = eights.take(some)
    if np.count_nonzero(words & (words - _ONE)):  # two in eight bytes: at least one is no record
        some = flags.nonzero()[0]
    else:
        some = some * 8 + only_byte(words)
    return some


def _linked(heads: I64, tails: I64, at: int, end: int) -> tuple[list[I64], int]:
    """Follow tails to heads from `at`; return the stretches passed, and where the last one ends."""
    chain: list[I64] = []
    gaps = (tails[:-1] != heads[1:]).nonzero()[0].tolist()
    gaps.append(len(heads) - 1)
    index = 0
    while index < len(heads) and heads[index] == at:
        last = gaps[bisect_left(gaps, index)]
        at = int(tails[last])
        if at > end:
            chain.append(heads[index:last])
            return chain, int(heads[last])
        chain.append(heads[index : last + 1])
        index = int(heads.searchsorted(at))
    return chain, at
