"""What a process may do beyond an ordinary account, given up for good. Linux alone knows these."""

import ctypes
import os
import struct
from typing import Final

CAP_SETPCAP: Final = 8
CAP_NET_ADMIN: Final = 12
CAP_NET_RAW: Final = 13

_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_RAISE, _LOWER, _CLEAR_ALL = 2, 3, 4
_VERSION: Final = 0x2008_0522
_LAST: Final = 63

_libc: Final = ctypes.CDLL(None, use_errno=True)


def permitted() -> set[int]:
    """Return the capabilities of this thread."""
    header, data = ctypes.create_string_buffer(_header()), ctypes.create_string_buffer(24)
    _check(_libc.capget(header, data))
    _, low, _, _, high, _ = struct.unpack("=6I", data.raw)
    return {number for number in range(_LAST + 1) if (high << 32 | low) >> number & 1}


def keep_only(wanted: set[int]) -> None:
    """Give up all capabilities but these, for this thread, what it starts, and what that runs.

    To be called before there are other threads: they keep what they have.
    """
    held = permitted()
    kept = held & wanted
    if CAP_SETPCAP in held:  # else nobody who starts programs could give them anything either
        for number in range(_LAST + 1):
            if number not in kept:
                _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _libc.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    _set(kept)
    for number in kept:
        # Programs that are run, nft say, get what is ambient.
        _check(_libc.prctl(_PR_CAP_AMBIENT, _RAISE, number, 0, 0))


def give_up(unwanted: int) -> None:
    """Give up one capability, as `keep_only` does, and leave the others as they are."""
    held = permitted()
    if CAP_SETPCAP in held:
        _libc.prctl(_PR_CAPBSET_DROP, unwanted, 0, 0, 0)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _libc.prctl(_PR_CAP_AMBIENT, _LOWER, unwanted, 0, 0)
    _set(held - {unwanted})


def _set(kept: set[int]) -> None:
    bits = sum(1 << number for number in kept)
    low, high = bits & 0xFFFF_FFFF, bits >> 32
    data = struct.pack("=6I", low, low, low, high, high, high)
    _check(_libc.capset(ctypes.create_string_buffer(_header()), ctypes.create_string_buffer(data)))


def _header() -> bytes:
    return struct.pack("=Ii", _VERSION, 0)


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
