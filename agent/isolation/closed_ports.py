"""Which ports of a switch we closed, on disk before it is done: so that no crash forgets one."""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import IsolationError
from agent.isolation import Lease
from runtime.files import write_whole

NAME: Final = "switch.json"


class Closed(msgspec.Struct, frozen=True):
    """A port that is closed for a lease, or was about to be."""

    lease: Lease
    port: str  # as the switch names it


_decoder = msgspec.json.Decoder(list[Closed])


class ClosedPorts:
    """Shared by the enforcer and `edgewarden-agent release`. Every method may raise IsolationError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME

    def read(self) -> dict[str, Closed]:
        """Return what is closed by the id of its isolation.

        A file that cannot be read is an error, and not taken for an empty one: nobody else knows
        which ports have to be opened again.
        """
        try:
            found = _decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            message = f"{self._path}: {error}; it tells which ports of the switch we closed"
            raise IsolationError(message) from error
        return {each.lease.isolation_id: each for each in found}

    def change(self, added: Iterable[Closed] = (), removed: Iterable[str] = ()) -> None:
        """Note ports that are about to be closed, and forget isolations whose ports are not."""
        try:
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                self._write(added, set(removed))
            finally:
                os.close(folder)
        except OSError as error:
            message = f"{self._path}: {error.strerror}"
            raise IsolationError(message) from error

    def _write(self, added: Iterable[Closed], removed: set[str]) -> None:
        before = self.read()
        after = {key: each for key, each in before.items() if key not in removed}
        after |= {each.lease.isolation_id: each for each in added}
        if after != before:
            write_whole(self._path, msgspec.json.encode(list(after.values())))
