"""What a service tells its manager and is told by it; without systemd everything is a no-op."""

import logging
import os
import socket
from pathlib import Path

log = logging.getLogger(__name__)

MICROSECONDS = 1_000_000


def notify(state: str) -> None:
    """Tell the service manager a state such as `READY=1`, `WATCHDOG=1` or `STATUS=…`.

    A manager that does not listen is logged, never raised: the work goes on without it.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # An abstract socket is written with `@` and addressed with a zero byte.
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1.0)
            sender.sendto(state.encode(), target)
    except OSError as error:
        log.warning("notify_failed", extra={"state": state, "why": str(error)})


def watchdog_interval_s() -> float | None:
    """Return how often the watchdog is to be fed: half of its timeout; None without one."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant_for = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if meant_for and meant_for != str(os.getpid()):
        return None
    return int(microseconds) / MICROSECONDS / 2


def credential(name: str) -> Path | None:
    """Return the file of a credential that systemd hands to this service, if it does."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    path = Path(folder) / name
    return path if path.is_file() else None
