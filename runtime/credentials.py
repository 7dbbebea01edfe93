"""Files that systemd hands to our services, and where it takes them from."""

from pathlib import Path
from typing import Final

_HANDED: Final = Path("/run/credentials")
_KEPT: Final = Path("/etc/edgewarden/credentials")


def kept_as(path: Path) -> Path | None:
    """Return the file from which one of our units makes a credential; None: it is none of theirs.

    /run/credentials/edgewarden-agent.service/broker_ca.crt is made of
    /etc/edgewarden/credentials/agent/ca.crt.
    """
    unit, name = path.parent.name, path.name
    ours = unit.startswith("edgewarden-") and unit.endswith(".service")
    if path.parent.parent != _HANDED or not ours or not name.startswith("broker_"):
        return None
    role = unit.removeprefix("edgewarden-").removesuffix(".service")
    return _KEPT / role / name.removeprefix("broker_")


def unreadable(path: Path, error: OSError) -> str:
    """Say in one line which file cannot be read, why, and where to put it."""
    kept = kept_as(path)
    hint = (
        ""
        if kept is None
        else f"; for the service systemd makes it of {kept}: put it there, or take the setting out"
    )
    return f"{path}: {error.strerror}{hint}"
