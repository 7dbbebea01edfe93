"""Freed memory is kept for what is asked for next, within a bound; what lasts is left alone."""

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from runtime.memory import settle_memory

def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if sys.argv[1] == "keep":
    settle_memory()
before = resident_bytes()
held = b"x" * int(sys.argv[2])
del held
print(resident_bytes() - before)
"""
_MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("how", "freed", "least", "most"),
    [("keep", 12, 8, 16), ("no", 12, -1, 4), ("keep", 24, -1, 4)],
)
def test_what_is_freed_is_kept_up_to_a_bound(how: str, freed: int, least: int, most: int) -> None:
    command = [sys.executable, "-c", _PROGRAM, how, str(freed * _MEGABYTE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert least * _MEGABYTE < int(done.stdout) < most * _MEGABYTE


def test_the_collector_leaves_alone_what_lasts() -> None:
    program = "import gc; from runtime.memory import settle_memory; settle_memory(); print(len(gc.get_objects()))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100
