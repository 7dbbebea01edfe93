"""How a process that works on large columns deals with its memory."""

import ctypes
import gc
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of <malloc.h>
KEPT_BYTES: Final = 16 << 20
_LARGEST_BYTES: Final = 32 << 20  # that glibc takes from its heap


def settle_memory() -> None:
    """Prepare for columns that come and go by the megabyte, several times a second.

    To be called when all modules are loaded: what there is now lasts, and the collector never looks
    at it again, which would take tens of milliseconds each time. Up to KEPT_BYTES of freed memory are
    kept: by its own rules glibc gives pages back whenever ten megabytes are free, and the kernel
    clears new ones for the next columns. Another C library does as it likes.
    """
    gc.freeze()
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
    mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
