"""The machine that a measurement belongs to."""

import os
import platform
import re
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

_LIBRARIES: Final = ("numpy", "onnxruntime", "msgspec")
_NUMBERS, _TIMES = 1_000_000, 7


def described() -> dict[str, str]:
    """Return what a reader must know to compare figures, by name."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores, {pages / 2**30:.0f} GiB",
        "system": f"{_system()}, Linux {platform.release()}",
        "Python": f"{platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "load at the start": f"{os.getloadavg()[0]:.2f} (of others too)",
        "pace at the start": pace(),
    }


def pace() -> str:
    """Return how long a fixed piece of Python takes: machines of one name differ by half, and from hour to hour."""
    found = []
    for _ in range(_TIMES):
        begin_s = time.process_time()
        sum(number * number for number in range(_NUMBERS))
        found.append(time.process_time() - begin_s)
    return f"a million squares are added up in {statistics.median(found) * 1000:.0f} ms"


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found.group(1) if found else platform.machine()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
