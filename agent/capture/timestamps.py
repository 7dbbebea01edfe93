"""Ticks of a capture file's clock, in nanoseconds."""

import numpy as np

from agent.records import I64, U64

MICROSECONDS = 6  # the resolution of interfaces that tell none
_MAX_NS = np.iinfo(np.int64).max
_MAX_S = _MAX_NS // 1_000_000_000
_POWER_OF_TWO = 0x80
_NANOSECONDS = 9


def to_ns(ticks: U64, resolution: int, offset_s: int) -> I64:
    """Turn ticks into nanoseconds, rounded down and clamped to [0, 2^63 - 1].

    Args:
        ticks: Of shape (n,).
        resolution: As in if_tsresol: a tick is 10^-resolution seconds, or 2^-(resolution - 128).
        offset_s: Seconds to add.
    """
    if resolution == _NANOSECONDS and offset_s == 0:
        return ticks.clip(max=_MAX_NS).astype(np.int64)
    if resolution & _POWER_OF_TWO:
        seconds, fraction_ns = _binary(ticks, resolution & ~_POWER_OF_TWO)
    else:
        seconds, fraction_ns = _decimal(ticks, resolution)
    return _clamped(seconds, fraction_ns, offset_s)


def _decimal(ticks: U64, digits: int) -> tuple[U64, U64]:
    if digits <= _NANOSECONDS:
        seconds, rest = np.divmod(ticks, np.uint64(10**digits))
        return seconds, rest * np.uint64(10 ** (_NANOSECONDS - digits))
    ns = _quotient(ticks, 10 ** (digits - _NANOSECONDS))
    seconds, fraction_ns = np.divmod(ns, np.uint64(1_000_000_000))
    return seconds, fraction_ns


def _quotient(ticks: U64, divisor: int) -> U64:
    return ticks // np.uint64(divisor) if divisor < 1 << 64 else np.zeros_like(ticks)


def _binary(ticks: U64, bits: int) -> tuple[U64, U64]:
    billion = np.uint64(1_000_000_000)
    seconds = _shifted(ticks, bits)
    fraction = ticks & np.uint64((1 << min(bits, 64)) - 1)
    if bits <= 32:  # noqa: PLR2004 the product fits 64 bits
        return seconds, (fraction * billion) >> np.uint64(bits)
    low = (fraction & np.uint64(0xFFFFFFFF)) * billion
    high = (fraction >> np.uint64(32)) * billion + (low >> np.uint64(32))
    return seconds, _shifted(high, bits - 32)


def _shifted(values: U64, bits: int) -> U64:
    return values >> np.uint64(bits) if bits < 64 else np.zeros_like(values)  # noqa: PLR2004


def _clamped(seconds: U64, fraction_ns: U64, offset_s: int) -> I64:
    # both far beyond what counts, and far from an overflow
    whole = seconds.clip(max=1 << 62).astype(np.int64)
    whole += max(-(1 << 62), min(1 << 62, offset_s))
    ns = whole.clip(0, _MAX_S) * 1_000_000_000 + fraction_ns.astype(np.int64)
    ns = np.where(whole < 0, 0, ns)
    return np.where((whole > _MAX_S) | (ns < 0), _MAX_NS, ns)
