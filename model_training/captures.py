"""The labelled captures: what the manifests of their folders say, checked against the files."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from model_training.errors import ManifestError

MANIFEST: Final = "manifest.json"
DEFAULT_FOLDER: Final = Path("../shared/data")
VARIABLE: Final = "EDGEWARDEN_CAPTURES"  # folders, separated like PATH

Split = Literal["train", "validation", "unit-test"]

# One program under one name, however a manifest spells it.
_SPELLINGS: Final = {"nmap 4.x": "nmap", "dsniff arpspoof": "arpspoof", "none": ""}
_LAB: Final = "edgewarden-lab"  # several programs of this project; the notes begin with which


class Origin(msgspec.Struct, frozen=True):
    """Where a capture was recorded or published."""

    repository: str
    household: str = ""  # where a repository holds recordings of several
    path: str = ""
    commit: str = ""
    tool: str = ""  # that attacked

    @property
    def name(self) -> str:
        """What shares devices, network and tools: never split between training and judging."""
        return f"{self.repository}/{self.household}" if self.household else self.repository


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A capture as its manifest describes it; fields that training does not use are left out."""

    file: str  # relative to the manifest
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    packets: int
    seconds: float
    classes: list[str]
    origin: Origin
    split: Split
    attackers: list[dict[str, str]] = []  # free text in `mac` and `ip`
    victims: list[str] = []  # free text that begins with an address
    labels_file: str | None = None  # without it, every frame is of the one class
    licence: str = ""
    notes: str = ""

    @property
    def tool(self) -> str:
        """The program that attacked; empty where nobody attacked or nobody told with what."""
        told = [self.origin.tool, *(one.get("tool", "") for one in self.attackers)]
        named = next(filter(None, told), "")
        if named == _LAB:
            return self.notes.partition(" ")[0]
        return _SPELLINGS.get(named, named)


class Capture(msgspec.Struct, frozen=True):
    """A capture and where it lies."""

    entry: Entry
    folder: Path

    @property
    def path(self) -> Path:
        """The capture file."""
        return self.folder / self.entry.file

    @property
    def labels_path(self) -> Path | None:
        """The labels of its frames, where it has more than one class."""
        return self.folder / self.entry.labels_file if self.entry.labels_file else None


def default_folders() -> list[Path]:
    """Return the folders that EDGEWARDEN_CAPTURES names, or the default."""
    named = os.environ.get(VARIABLE, "")
    return [Path(name) for name in named.split(os.pathsep) if name] or [DEFAULT_FOLDER]


def read_captures(folders: Iterable[Path], splits: Iterable[Split]) -> list[Capture]:
    """Read the manifests of some folders.

    Args:
        folders: Each holds a manifest.json.
        splits: Which parts to take; what is for unit tests must never be trained on.

    Returns:
        The captures in manifest order; contents that occur a second time are left out.

    Raises:
        ManifestError: A manifest is missing or malformed, or names a file outside its folder.
    """
    wanted = set(splits)
    captures: dict[str, Capture] = {}
    for folder in folders:
        for entry in _read_manifest(folder / MANIFEST):
            if entry.split in wanted:
                captures.setdefault(entry.sha256, _located(entry, folder))
    return list(captures.values())


def check_capture(capture: Capture) -> None:
    """Compare a capture file with its manifest.

    Raises:
        ManifestError: The file cannot be read or has other contents.
    """
    if sha256_of(capture.path) != capture.entry.sha256:
        message = f"{capture.path}: not the file that its manifest describes"
        raise ManifestError(message)


def sha256_of(path: Path) -> str:
    """Return the fingerprint of a file, read in pieces.

    Raises:
        ManifestError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise ManifestError(message) from error


def _read_manifest(path: Path) -> list[Entry]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Entry])
    except OSError as error:
        message = f"{path}: {error.strerror} (name the folder with --captures or {VARIABLE})"
        raise ManifestError(message) from error
    except msgspec.DecodeError as error:
        message = f"{path}: {error}"
        raise ManifestError(message) from error


def _located(entry: Entry, folder: Path) -> Capture:
    for name in (entry.file, entry.labels_file or entry.file):
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            message = f"{folder / MANIFEST}: {name} lies outside the folder"
            raise ManifestError(message)
    if entry.labels_file is None and len(entry.classes) != 1:
        message = f"{folder / MANIFEST}: {entry.file} has several classes and no labels_file"
        raise ManifestError(message)
    return Capture(entry, folder)
