"""Captures to labelled feature vectors, through the very observer that judges live traffic."""

import functools
import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from agent.capture.pcap import PcapReader
from agent.decode import decode
from agent.observe import Observer
from agent.records import F32, I64, FrameBatch, Observations, concatenate
from contract.features import feature_schema_id
from model_training.captures import Capture, check_capture
from model_training.labels import I8, read_frame_labels, read_parties
from model_training.window_labels import FrameSenders, host_codes, label_windows

DEFAULT_CACHE: Final = Path(".cache/dataset")
# The agent's modules on which an observation depends.
_SEEING: Final = (
    "answers", "big_endian", "bindings", "capture/*", "decode", "features/*", "flows", "grouping", "hosts", "logins",
    "observe", "standby", "tables", "windows",
)  # fmt: skip


class Scene(msgspec.Struct, frozen=True, eq=False):
    """The labelled observations of one capture; every column has shape (n,), features (n, FEATURE_COUNT)."""

    features: F32
    label: I8  # index into CLASSES, or UNKNOWN
    host: I64  # numbered within the scene
    window_start_ns: I64


class Dataset(msgspec.Struct, frozen=True, eq=False):
    """The labelled observations of many captures; `scene` and `origin` index into the names."""

    features: F32
    label: I8
    host: I64  # numbered within the scene
    window_start_ns: I64
    scene: I64
    origin: I64
    scenes: list[str]
    tools: list[str]  # with which each scene was attacked; empty: nobody knows
    origins: list[str]

    def __len__(self) -> int:
        """Return the number of observations."""
        return len(self.label)


def part(dataset: Dataset, rows: I64) -> Dataset:
    """Return some observations as a dataset of their own, with the origins that are left."""
    origins, origin = np.unique(dataset.origin[rows], return_inverse=True)
    return Dataset(
        features=dataset.features[rows],
        label=dataset.label[rows],
        host=dataset.host[rows],
        window_start_ns=dataset.window_start_ns[rows],
        scene=dataset.scene[rows],
        origin=origin,
        scenes=dataset.scenes,
        tools=dataset.tools,
        origins=[dataset.origins[number] for number in origins.tolist()],
    )


def load_dataset(captures: Iterable[Capture], cache: Path, origins: dict[str, str]) -> Dataset:
    """Load captures, each observed once and then kept in the cache.

    Args:
        captures: At least one.
        cache: A folder; created where it is missing.
        origins: Origins that share a household or a laboratory, under one name.
    """
    scenes, names, tools, sources = [], [], [], []
    for capture in captures:
        scenes.append(load_scene(capture, cache))
        names.append(capture.entry.file)
        tools.append(capture.entry.tool)
        sources.append(origins.get(capture.entry.origin.name, capture.entry.origin.name))
    known = sorted(set(sources))
    lengths = [len(scene.label) for scene in scenes]
    return Dataset(
        features=np.concatenate([scene.features for scene in scenes]),
        label=np.concatenate([scene.label for scene in scenes]),
        host=np.concatenate([scene.host for scene in scenes]),
        window_start_ns=np.concatenate([scene.window_start_ns for scene in scenes]),
        scene=np.repeat(np.arange(len(scenes)), lengths),
        origin=np.repeat([known.index(source) for source in sources], lengths),
        scenes=names,
        tools=tools,
        origins=known,
    )


def load_scene(capture: Capture, cache: Path) -> Scene:
    """Return a capture's labelled observations; they are observed only when the cache has none.

    Raises:
        ManifestError: The capture or its labels are not as the manifest says.
        CaptureError: The capture cannot be read.
    """
    observations, frames = recall(capture, cache)
    labels = read_frame_labels(capture, len(frames))
    windows = label_windows(observations, frames, labels, read_parties(capture.entry))
    return Scene(
        observations.features, windows, host_codes(observations), observations.window_start_ns
    )


def recall(capture: Capture, cache: Path) -> tuple[Observations, FrameSenders]:
    """Return what was observed of a capture, and who sent its frames; it is observed only once.

    Raises:
        ManifestError: The capture is not as the manifest says.
        CaptureError: The capture cannot be read.
    """
    kept = cache / f"{_cache_key(capture)}.npz"
    try:
        with kept.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return (
                Observations(*(arrays[f"row_{n}"] for n in Observations.__struct_fields__)),
                FrameSenders(*(arrays[f"frame_{n}"] for n in FrameSenders.__struct_fields__)),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # absent, or cut short by an interruption
    check_capture(capture)
    observations, frames = _observe(capture)
    cache.mkdir(parents=True, exist_ok=True)
    rows = {f"row_{n}": getattr(observations, n) for n in Observations.__struct_fields__}
    sent = {f"frame_{n}": getattr(frames, n) for n in FrameSenders.__struct_fields__}
    np.savez_compressed(kept, **rows, **sent)
    return observations, frames


def _observe(capture: Capture) -> tuple[Observations, FrameSenders]:
    observer = Observer()
    closed: list[Observations] = []
    senders: list[FrameSenders] = []
    with PcapReader(capture.path) as reader:
        for frames in reader:
            closed.append(observer.feed(frames))
            senders.append(_senders(frames))
    closed.append(observer.flush())
    names = FrameSenders.__struct_fields__
    columns = (np.concatenate([getattr(part, name) for part in senders]) for name in names)
    return concatenate(closed), FrameSenders(*columns)


def _senders(frames: FrameBatch) -> FrameSenders:
    packets = decode(frames)
    return FrameSenders(
        packets.time_ns, packets.src_mac, packets.src_ip_high, packets.src_ip_low, packets.dst_mac
    )


def _cache_key(capture: Capture) -> str:
    """Return a name that changes with whatever observations depend on."""
    parts = (capture.entry.sha256, feature_schema_id(), code_revision())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@functools.cache
def code_revision() -> str:
    """Return the fingerprint of the code that makes observations from frames."""
    agent = Path(__file__).parent.parent / "agent"
    digest = hashlib.sha256()
    for name in _SEEING:
        for path in sorted(agent.glob(f"{name}.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
