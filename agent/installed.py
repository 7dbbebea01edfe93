"""The models that the centre gave this box: one judges, the former one is kept, the rest goes."""

import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import ModelError
from agent.explain import Explainer
from agent.model_bundle import Bundle, believed, load_bundle
from agent.novelty import Novelty
from agent.scoring import OnnxScorer
from contract.identifiers import ModelId, Sha256
from contract.model_bundle import MANIFEST, BundleError, manifest_sha256, unpack
from runtime.files import write_whole

log = logging.getLogger(__name__)

STATE_FILE: Final = "state.json"
MAX_STARTS: Final = 3  # of a model that has not judged for PROVEN_S yet
PROVEN_S: Final = 60.0
_PRIVATE: Final = 0o700


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model in a folder of its own."""

    model_id: ModelId
    sha256: Sha256  # of its manifest: the folder's name


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which models are here; None: the one of the settings, or that comes with the program."""

    active: Held | None = None
    former: Held | None = None
    proven: bool = True  # whether the active one has judged for a while
    starts: int = 0  # of the program, while it was not


class Candidate(msgspec.Struct, frozen=True, eq=False):
    """A model that may judge: it is signed, fits this agent and gave sound answers."""

    place: Held | None
    bundle: Bundle
    scorer: OnnxScorer
    explainer: Explainer
    novelty: Novelty | None


class Installed:
    """Keeps models on disk so that a start always finds one that can judge.

    Args:
        folder: Where they are kept; made when the first one comes.
        base: The bundle that judges where the centre gave none.
        trusted_keys: Whose signatures are believed beside those of the program's maker.
        clock: Seconds that only rise.
    """

    def __init__(
        self,
        folder: Path,
        base: Path,
        trusted_keys: Path | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._base = base
        self._trusted_keys = trusted_keys
        self._clock = clock
        self._state = State()
        self._since_s = clock()
        self._base_id: ModelId | None = None
        self._changing = threading.Lock()  # of the state: installing and watching are two threads

    def load(self) -> Bundle:
        """Return the bundle that is to judge from the start on.

        One that does not load, or has ended the program before it had judged for a minute, three
        times in a row, gives way to the former one.

        Raises:
            ModelError: Not even the bundle of the settings can be used.
        """
        self._state = self._read()
        self._since_s = self._clock()
        with suppress(ModelError):  # told only where it is needed
            self._read_base()
        if not self._state.proven:
            if self._state.starts >= MAX_STARTS:
                self._fall_back(f"{MAX_STARTS} starts ended within a minute of it")
            else:
                self._put(msgspec.structs.replace(self._state, starts=self._state.starts + 1))
        while self._state.active is not None:
            try:
                return self._tried(self._state.active).bundle
            except ModelError as error:
                self._fall_back(str(error))
        return self._read_base()

    @property
    def model_ids(self) -> list[ModelId]:
        """The models that can be had without asking the centre."""
        places = (self._state.active, self._state.former)
        held = [place.model_id for place in places if place is not None]
        return list(dict.fromkeys([*held, *([self._base_id] if self._base_id else [])]))

    def find(self, model_id: ModelId, sha256: Sha256 | None) -> Candidate | None:
        """Return a model that is here, tried; None if it is not.

        Args:
            model_id: Which.
            sha256: Of its manifest; None: whichever has that name.

        Raises:
            ModelError: It is here and cannot be used.
        """
        for place in (self._state.active, self._state.former):
            if place and place.model_id == model_id and sha256 in {None, place.sha256}:
                return self._tried(place)
        if model_id != self._base_id:
            return None
        base = self._read_base()
        return tried(base, None) if sha256 in {None, self._base_digest()} else None

    def keep(self, data: bytes, model_id: ModelId, sha256: Sha256) -> Candidate:
        """Try a bundle that was fetched, and write it down.

        Raises:
            ModelError: It is another one than was meant, nobody who is trusted signed it, it was
                made for another agent, its answers are none, or it cannot be written.
        """
        try:
            files = unpack(data)
            found = manifest_sha256(files)
        except BundleError as error:
            message = f"what the centre gave is no bundle: {error}"
            raise ModelError(message) from error
        bundle = believed(files, model_id, self._trusted_keys)
        if found != sha256 or bundle.metadata.model_id != model_id:
            message = f"the centre gave {bundle.metadata.model_id} ({found}), not {model_id}"
            raise ModelError(message)
        candidate = tried(bundle, Held(model_id, sha256))
        try:
            self._write(files, self._folder / sha256)
        except OSError as error:
            message = f"{self._folder}: {error.strerror}"
            raise ModelError(message) from error
        return candidate

    def take(self, candidate: Candidate) -> None:
        """Let a candidate judge from now on, also after a restart.

        Raises:
            ModelError: It cannot be written down.
        """
        with self._changing:
            if candidate.place == self._state.active:
                return
            proven = candidate.place is None
            state = State(candidate.place, self._state.active, proven)
            try:
                self._write_state(state)
            except OSError as error:
                message = f"{self._folder}: {error.strerror}"
                raise ModelError(message) from error
            self._state, self._since_s = state, self._clock()
            self._tidy()

    def note_running(self) -> None:
        """Count the active model as proven once it has judged for a while."""
        with self._changing:
            if not self._state.proven and self._clock() - self._since_s >= PROVEN_S:
                self._put(msgspec.structs.replace(self._state, proven=True, starts=0))

    def note_end(self) -> None:
        """Note that the program ends as it should: this start says nothing against the model."""
        with self._changing:
            if not self._state.proven:
                self._put(msgspec.structs.replace(self._state, starts=0))

    def _base_digest(self) -> Sha256:
        try:
            return hashlib.sha256((self._base / MANIFEST).read_bytes()).hexdigest()
        except OSError as error:
            message = f"{self._base}: {error.strerror}"
            raise ModelError(message) from error

    def _read_base(self) -> Bundle:
        bundle = load_bundle(self._base, self._trusted_keys)
        self._base_id = bundle.metadata.model_id
        return bundle

    def _tried(self, place: Held) -> Candidate:
        bundle = load_bundle(self._folder / place.sha256, self._trusted_keys)
        return tried(bundle, place)

    def _fall_back(self, why: str) -> None:
        failed, former = self._state.active, self._state.former
        extra = {
            "model": failed.model_id if failed else "",
            "to": former.model_id if former else "the one of the settings",
            "why": why,
        }
        log.error("model_fell_back", extra=extra)
        # The former one may never have judged for long: it is on trial as well.
        self._put(State(former, proven=former is None))
        self._tidy()

    def _put(self, state: State) -> None:
        """Change the state; where it cannot be written the next start will say so again."""
        self._state = state
        try:
            self._write_state(state)
        except OSError as error:
            log.warning("model_state_not_written", extra={"why": str(error)})

    def _write_state(self, state: State) -> None:
        self._folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        write_whole(self._folder / STATE_FILE, msgspec.json.encode(state))

    def _read(self) -> State:
        try:
            return msgspec.json.decode((self._folder / STATE_FILE).read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("model_state_unreadable", extra={"why": str(error)})
            return State()

    @staticmethod
    def _write(files: dict[str, bytes], folder: Path) -> None:
        unfinished = folder.with_name("incoming")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=_PRIVATE, parents=True)
        for name, data in files.items():
            write_whole(unfinished / name, data)
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier time, perhaps damaged
        unfinished.rename(folder)
        handle = os.open(folder.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _tidy(self) -> None:
        kept = {place.sha256 for place in (self._state.active, self._state.former) if place}
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)


def tried(bundle: Bundle, place: Held | None) -> Candidate:
    """Return a bundle's model once it has given sound answers.

    Raises:
        ModelError: It was made for another agent, its parts do not fit, or its answers are none.
    """
    scorer = OnnxScorer(bundle)
    scorer.try_out()
    novelty = None if bundle.novelty is None else Novelty(bundle.novelty, scorer.metadata)
    return Candidate(place, bundle, scorer, Explainer(bundle), novelty)
