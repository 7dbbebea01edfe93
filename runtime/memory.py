"""What the allocator does with memory that is freed and will soon be asked for again."""

import ctypes
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of <malloc.h>
KEPT_BYTES: Final = 16 << 20
_LARGEST_BYTES: Final = 32 << 20  # that glibc takes from its heap


def keep_freed_memory() -> None:
    """Keep up to KEPT_BYTES of freed memory instead of giving it back to the kernel at once.

    Columns come and go by the megabyte, several times a second. By its own rules glibc gives their
    pages back whenever ten megabytes are free, and the kernel clears new ones for the next columns.
    Another C library does as it likes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
    mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
