"""What is usual for each host: an upper quantile of every feature, learned as calm windows pass."""

import io
import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from agent.errors import BaselineError
from agent.records import F32, I64, U64, Bool, Observations
from agent.tables import KeyTable, hashed, mixed
from contract.features import FEATURE_COUNT, feature_schema_id
from runtime.files import write_whole

QUANTILE: Final = 0.95
CAPACITY: Final = 2048  # hosts
KEEP_NS: Final = 30 * 86_400 * 1_000_000_000
LEARNS_EVERY: Final = 5  # windows: what follows at once says nearly the same again
CALM: Final = 0.5  # probability of benign from which a window is learned from
WARM: Final = 24  # windows that a host was learned from before its usual values are told

_BLOCK: Final = 128  # hosts at once: what is computed of them stays in a core's cache
_LEAST_RATE: Final = 0.05
_LEAST_STEP_OF: Final = np.float32(0.05)  # features are counts, or shares of one
_WINDOW_NS: Final = 1_000_000_000
_END_OF_TIME_NS: Final = 2**62
_MOST_FILE_BYTES: Final = 64 * 1024 * 1024


class Baselines:
    """Learns an upper quantile per host and feature in one pass and bounded memory.

    An estimate moves up by a step where a value lies above it, and down by a nineteenth of the step where
    it lies below, so that it rests where one value of twenty is above; steps are shares of the
    estimate, shrink with what was learned, and never pass the value. Deterministic, like all the core.
    """

    def __init__(self, seed: int, capacity: int = CAPACITY) -> None:
        self._seed = seed
        self.table = KeyTable(capacity, KEEP_NS)
        self._usual = np.zeros((self.table.capacity, FEATURE_COUNT), np.float32)
        self._learned = np.zeros(self.table.capacity, np.int32)
        self._host = np.zeros((self.table.capacity, 3), np.uint64)  # MAC, or 0 and the IP's halves
        self._last_ns = np.zeros(self.table.capacity, np.int64)

    def learn(self, seen: Observations, calm: Bool) -> None:
        """Take in hosts of one window.

        Args:
            seen: Hosts of one window.
            calm: Whose behaviour nothing speaks against, shape (n,).
        """
        now_ns = _time_of(seen)
        host = _identity(seen)
        turn = mixed(host[:, 0] ^ host[:, 2]) % np.uint64(LEARNS_EVERY)
        # Whose MAC is not its alone is left out: one of the two may be a guest.
        calm = calm & (~seen.shared_mac | seen.is_ip_host)
        rows = np.flatnonzero(calm & (turn == np.uint64(now_ns // _WINDOW_NS % LEARNS_EVERY)))
        rows = rows[host[rows].any(axis=1)]  # a remainder is nobody
        slots, fresh = self.table.claim(self._keys(host[rows]), now_ns)
        self._learned[slots[fresh & (slots >= 0)]] = 0
        rows, slots = rows[slots >= 0], slots[slots >= 0]
        self._host[slots] = host[rows]
        self._last_ns[slots] = now_ns
        new = self._learned[slots] == 0
        self._usual[slots[new]] = seen.features[rows[new]]
        self._learned[slots[new]] = 1
        self._move(slots[~new], seen.features, rows[~new])

    def known(self, seen: Observations, rows: I64) -> tuple[I64, F32]:
        """Return those of some rows whose hosts are known well enough, and what is usual for them.

        Args:
            seen: Hosts of one window.
            rows: Which of them to look up.

        Returns:
            The rows, and what their features usually stay below, (rows, FEATURE_COUNT).
        """
        slots = self.table.find(self._keys(_identity(seen)[rows]), _time_of(seen))
        warm = (slots >= 0) & (self._learned[slots] >= WARM)
        return rows[warm], self._usual[slots[warm]]

    def usual(self, seen: Observations, row: int) -> F32 | None:
        """Return what a host's features usually stay below, shape (FEATURE_COUNT,).

        None for a host that is not known well enough.
        """
        rows, usual = self.known(seen, np.array([row]))
        return usual[0] if len(rows) else None

    def _move(self, slots: I64, features: F32, rows: I64) -> None:
        """Move the estimates of some hosts towards what their features are."""
        for at in range(0, len(slots), _BLOCK):
            part = slice(at, at + _BLOCK)
            self._move_block(slots[part], features[rows[part]])

    def _move_block(self, slots: I64, values: F32) -> None:
        learned = self._learned[slots]
        usual = self._usual.take(slots, axis=0)
        rate = np.maximum(1 / np.sqrt(learned + 1), _LEAST_RATE).astype(np.float32)
        step = np.maximum(usual, _LEAST_STEP_OF)
        step *= rate[:, None]
        away = values - usual
        np.minimum(away, step * np.float32(QUANTILE), out=away)
        step *= np.float32(QUANTILE - 1)
        np.maximum(away, step, out=away)
        usual += away
        self._usual[slots] = usual
        self._learned[slots] = np.minimum(learned + 1, np.int32(1 << 30))

    def _keys(self, host: U64) -> U64:
        return hashed(self._seed, host[:, 0], host[:, 1], host[:, 2])

    def to_bytes(self) -> bytes:
        """Return everything learned, for from_bytes of a later run."""
        slots = np.flatnonzero(self._learned)
        packed = io.BytesIO()
        np.savez_compressed(
            packed,
            schema=np.array(feature_schema_id()),
            host=self._host[slots],
            last_ns=self._last_ns[slots],
            learned=self._learned[slots],
            usual=self._usual[slots],
        )
        return packed.getvalue()

    def from_bytes(self, data: bytes) -> None:
        """Go on from what an earlier run learned; the longest unseen hosts give way.

        Raises:
            BaselineError: It is damaged, or of another feature schema.
        """
        host, last_ns, learned, usual = _unpacked(data)
        for row in np.argsort(last_ns, kind="stable"):
            one = slice(row, row + 1)
            slots, _ = self.table.claim(self._keys(host[one]), int(last_ns[row]))
            if slots[0] >= 0:
                self._host[slots] = host[one]
                self._last_ns[slots] = last_ns[one]
                self._learned[slots] = learned[one]
                self._usual[slots] = usual[one]


def read_baselines(path: Path, baselines: Baselines) -> None:
    """Go on from a file, if there is one.

    Raises:
        BaselineError: It cannot be used; one line that starts with its name.
    """
    try:
        with path.open("rb") as file:
            baselines.from_bytes(file.read(_MOST_FILE_BYTES))
    except FileNotFoundError:
        return
    except (OSError, BaselineError) as error:
        message = f"{path}: {error}"
        raise BaselineError(message) from error


def write_baselines(path: Path, data: bytes) -> None:
    """Replace a file in one step, so that a power cut leaves the old or the new one.

    Raises:
        BaselineError: The disk refuses.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        message = f"{path}: {error}"
        raise BaselineError(message) from error


def _time_of(seen: Observations) -> int:
    """Return the window's start, before the end of time: a capture may claim any."""
    return min(int(seen.window_start_ns[0]), _END_OF_TIME_NS)


def _identity(seen: Observations) -> U64:
    """Return each host's MAC, or 0 and its IP, shape (n, 3)."""
    host = np.zeros((len(seen), 3), np.uint64)
    host[:, 0] = np.where(seen.is_ip_host, np.uint64(0), seen.src_mac)
    host[:, 1] = np.where(seen.is_ip_host, seen.src_ip_high, np.uint64(0))
    host[:, 2] = np.where(seen.is_ip_host, seen.src_ip_low, np.uint64(0))
    return host


def _unpacked(data: bytes) -> tuple[U64, I64, I64, F32]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            schema = str(arrays["schema"])
            host = arrays["host"].astype(np.uint64, casting="safe")
            last_ns = arrays["last_ns"].astype(np.int64, casting="safe")
            learned = arrays["learned"].astype(np.int64, casting="safe")
            usual = arrays["usual"].astype(np.float32, casting="safe")
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        message = f"not a file of baselines: {error}"
        raise BaselineError(message) from error
    if schema != feature_schema_id():
        message = f"baselines of feature schema {schema}, this agent has {feature_schema_id()}"
        raise BaselineError(message)
    count = len(host)
    shapes = (host.shape, last_ns.shape, learned.shape, usual.shape)
    sound = shapes == ((count, 3), (count,), (count,), (count, FEATURE_COUNT))
    sound = sound and bool((np.abs(last_ns) <= _END_OF_TIME_NS).all())
    if not sound or not np.isfinite(usual).all() or (learned < 0).any() or (learned >> 31).any():
        message = "baselines contradict themselves"
        raise BaselineError(message)
    return host, last_ns, learned, usual
