"""What a command takes: CPU, wall clock and peak memory of its process and its children."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

_LAUNCHER: Final = Path(__file__).parent / "launcher.py"
TIMEOUT_S: Final = 600
_READ_BYTES: Final = 1 << 22


class CommandError(Exception):
    """A measured command failed; the message is one line."""


class Usage(msgspec.Struct, frozen=True):
    """What one run took; CPU is user and system time, memory that of the largest process."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    exit_code: int = 0
    output: str = ""


def run(
    command: Sequence[str],
    *,
    keeps_output: bool,
    timeout_s: int = TIMEOUT_S,
) -> Usage:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        keeps_output: Its stdout is wanted; otherwise it goes nowhere.
        timeout_s: After which it is killed.

    Raises:
        CommandError: It failed, with the last line of its stderr.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        launch = [sys.executable, "-I", "-S", str(_LAUNCHER), str(report), str(timeout_s)]
        done = subprocess.run(
            [*launch, *command],
            stdout=subprocess.PIPE if keeps_output else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if not report.exists():
            raise CommandError(_last_line(done.stderr) or f"{command[0]} did not start")
        usage = msgspec.json.decode(report.read_bytes(), type=Usage)
    if usage.exit_code:
        why = _last_line(done.stderr)
        message = f"{command[0]} ended with {usage.exit_code}: {why}"
        raise CommandError(message)
    return msgspec.structs.replace(usage, output=(done.stdout or b"").decode(errors="replace"))


def _last_line(told: bytes) -> str:
    lines = told.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def warm(path: Path) -> None:
    """Pull a file into the page cache, so that nobody pays for the disk."""
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(_READ_BYTES)
        while file.readinto(buffer):
            pass
