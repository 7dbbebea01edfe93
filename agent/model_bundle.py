"""A model bundle on disk, believed only when a trusted key signed it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import ModelError
from contract.model_bundle import (
    ALL_FILES,
    MANIFEST,
    MODEL,
    NOVELTY,
    OPTIONAL_FILES,
    SIGNATURE,
    TREES,
    BundleError,
    read_manifest,
    read_metadata,
)
from contract.model_metadata import ModelMetadata
from runtime.errors import ConfigError
from runtime.signatures import read_public_keys, signer_of

DEFAULT_BUNDLE: Final = Path(__file__).parent / "models" / "default"
SHIPPED_KEYS: Final = Path(__file__).parent / "models" / "keys"  # public keys, PEM

MAX_FILE_BYTES: Final = 64 * 2**20


class Bundle(msgspec.Struct, frozen=True, eq=False):
    """A bundle's contents as they were when they were verified."""

    model: bytes
    trees: bytes
    metadata: ModelMetadata
    novelty: bytes | None = None


def load_bundle(folder: Path, trusted_keys: Path | None = None) -> Bundle:
    """Read a bundle and believe it only when a trusted key signed exactly these bytes.

    Args:
        folder: Holds the files of a bundle.
        trusted_keys: A folder of Ed25519 public keys (`*.pem`) that are trusted beside the one
            that the package ships for its default bundle.

    Raises:
        ModelError: A file is missing or altered, or no trusted key signed the manifest.
    """
    there = (n for n in ALL_FILES if n not in OPTIONAL_FILES or (folder / n).exists())
    return believed({name: _read(folder / name) for name in there}, folder, trusted_keys)


def believed(
    files: Mapping[str, bytes], source: Path | str, trusted_keys: Path | None = None
) -> Bundle:
    """Return a bundle of files when a trusted key signed exactly these bytes.

    Args:
        files: By name; some may be missing.
        source: Where they come from, for people.
        trusted_keys: As for `load_bundle`.

    Raises:
        ModelError: A file is missing or altered, or no trusted key signed the manifest.
    """
    folders = [SHIPPED_KEYS] if trusted_keys is None else [SHIPPED_KEYS, trusted_keys]
    try:
        keys = [key for place in folders for key in read_public_keys(place)]
    except ConfigError as error:
        raise ModelError(str(error)) from error
    signature, signed = files.get(SIGNATURE, b""), files.get(MANIFEST, b"")
    if signer_of(keys, signature, signed) is None:
        message = f"{source}: not signed by a trusted key ({len(keys)} keys tried)"
        raise ModelError(message)
    try:
        manifest = read_manifest(files)
        metadata = read_metadata(files, manifest)
    except BundleError as error:
        message = f"{source}: {error}"
        raise ModelError(message) from error
    novelty = files[NOVELTY] if NOVELTY in manifest.files else None
    return Bundle(files[MODEL], files[TREES], metadata, novelty)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise ModelError(message) from error
    if len(data) > MAX_FILE_BYTES:
        message = f"{path}: larger than {MAX_FILE_BYTES >> 20} MB"
        raise ModelError(message)
    return data
