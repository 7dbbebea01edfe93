"""Suricata, which Debian 12 lacks: Debian 13's in a folder, run by chroot, without rules."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.captures import CACHE, Capture

_FOLDER: Final = CACHE / "trixie"
_INSIDE: Final = "bench"  # the folder's folder for what we bring
_SETTINGS: Final = "etc/suricata/suricata.yaml"
_NO_OUTPUT: Final = "outputs: []\n"
_FLOWS: Final = """\
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types: [flow]
"""


def missing() -> str | None:
    """Return why it cannot run, and what to do; None where it can."""
    if not (_FOLDER / ".complete").exists():
        return "suricata is not there: run benchmarks/install-peers.sh as root"
    return None if os.geteuid() == 0 else "suricata runs by chroot: run the benchmark as root"


def version_command() -> list[str]:
    """Return what tells its version."""
    return ["chroot", str(_FOLDER), "suricata", "-V"]


def command(*, writes_flows: bool) -> Callable[[Capture], list[str]]:
    """Return how it is run on a capture: one packet thread, no rules, and its flows or nothing."""
    settings = f"{_INSIDE}/{'flows' if writes_flows else 'nothing'}.yaml"

    def prepared(capture: Capture) -> list[str]:
        room = _FOLDER / _INSIDE
        room.mkdir(exist_ok=True)
        (room / "eve.json").unlink(missing_ok=True)
        _write_settings(_FOLDER / settings, _FLOWS if writes_flows else _NO_OUTPUT)
        inside = room / capture.path.name
        if not inside.exists() or not inside.samefile(capture.path):
            inside.unlink(missing_ok=True)
            os.link(capture.path, inside)
        run = ["chroot", str(_FOLDER), "suricata", "-c", f"/{settings}", "-S", "/dev/null"]
        run += ["--runmode", "single", "-l", f"/{_INSIDE}", "--set", "stats.enabled=no"]
        return [*run, "-r", f"/{_INSIDE}/{capture.path.name}"]

    return prepared


def _write_settings(path: Path, outputs: str) -> None:
    """Write Debian's settings with other outputs."""
    shipped = (_FOLDER / _SETTINGS).read_text()
    section = re.compile(r"^outputs:\n(?:[ #-].*\n|\n)*", re.MULTILINE)
    changed, count = section.subn(outputs, shipped, count=1)
    if count != 1:
        message = f"{_SETTINGS} has no section of outputs"
        raise ValueError(message)
    path.write_text(changed)
