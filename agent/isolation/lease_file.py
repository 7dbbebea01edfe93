"""The isolations that should hold, on disk: so that a reboot arms what remains of them again."""

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import IsolationError
from contract.messages import Isolation
from runtime.files import write_whole

log = logging.getLogger(__name__)

MAX_ISOLATIONS: Final = 1024
MAX_BYTES: Final = 8 * 1024 * 1024
NAME: Final = "leases.json"


class Desired(msgspec.Struct, frozen=True):
    """An isolation that should hold."""

    isolation: Isolation
    until_ns: int  # since the machine booted
    boot: str  # which boot that was
    marked_ns: int = 0  # since then too: when it was written that it goes on


_decoder = msgspec.json.Decoder(list[Desired])


class LeaseFile:
    """Shared by the agent and `edgewarden-agent release`: what one takes out, the other sees gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME

    def read(self) -> dict[str, Desired]:
        """Return what should hold by its id; none if there is no file, or none that can be read."""
        try:
            with self._path.open("rb") as file:
                found = _decoder.decode(file.read(MAX_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            log.warning("leases_unreadable", extra={"file": str(self._path), "why": str(error)})
            return {}
        return {each.isolation.isolation_id: each for each in found[:MAX_ISOLATIONS]}

    def exchange(self, wanted: Iterable[Desired], known: set[str]) -> set[str]:
        """Write what is wanted, but for what somebody took out meanwhile; return the ids of that.

        Args:
            wanted: All that should hold.
            known: The ids that the last exchange wrote, or `read` returned.

        Raises:
            IsolationError: The file cannot be written.
        """
        with self._locked():
            before = self.read()
            taken_out = known - before.keys()
            after = [each for each in wanted if each.isolation.isolation_id not in taken_out]
            if after != list(before.values()):
                self._write(after)
        return taken_out

    def take_out(self, chosen: Callable[[Isolation], bool]) -> list[Isolation]:
        """Take isolations out, so that nobody arms them again; return them.

        Raises:
            IsolationError: The file cannot be written.
        """
        if not self._path.exists():
            return []
        with self._locked():
            before = self.read().values()
            gone = [each.isolation for each in before if chosen(each.isolation)]
            if gone:
                self._write([each for each in before if not chosen(each.isolation)])
        return gone

    def _write(self, desired: list[Desired]) -> None:
        write_whole(self._path, msgspec.json.encode(desired))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                yield
            finally:
                os.close(folder)
        except OSError as error:
            message = f"{self._path}: {error.strerror}"
            raise IsolationError(message) from error
