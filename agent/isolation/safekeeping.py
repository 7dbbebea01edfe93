"""What the policy has to remember across restarts, on disk."""

import logging
from pathlib import Path
from typing import Final

import msgspec

from agent.allowance import Memory
from agent.errors import IsolationError
from runtime.files import write_whole

log = logging.getLogger(__name__)

MAX_BYTES: Final = 2 * 1024 * 1024


def keep_memory(path: Path, memory: Memory) -> None:
    """Write it, whole or not at all.

    Raises:
        IsolationError: The file cannot be written.
    """
    try:
        write_whole(path, msgspec.json.encode(memory))
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise IsolationError(message) from error


def kept_memory(path: Path) -> Memory:
    """Return what was written; an empty memory if there is none that can be read."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=Memory)
    except FileNotFoundError:
        return Memory()
    except (OSError, msgspec.DecodeError) as error:
        log.warning("allowance_unreadable", extra={"file": str(path), "why": str(error)})
        return Memory()
