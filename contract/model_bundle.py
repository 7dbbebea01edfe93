"""A model bundle: the model, its trees, what it says of itself, and a signature over all."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from contract.identifiers import ModelId, Sha256
from contract.model_metadata import ModelMetadata

MODEL: Final = "model.onnx"
TREES: Final = "trees.npz"  # what the explanation needs; ONNX does not carry the covers
METADATA: Final = "metadata.json"
CARD: Final = "card.md"
NOVELTY: Final = "novelty.onnx"  # the second opinion; bundles may be without
MANIFEST: Final = "manifest.json"  # sha256 of every other file
SIGNATURE: Final = "manifest.sig"  # Ed25519 over the manifest's bytes
SIGNED_FILES: Final = (MODEL, TREES, METADATA, CARD)
OPTIONAL_FILES: Final = (NOVELTY,)  # signed where the manifest names them, and else nobody's
ALL_FILES: Final = (*SIGNED_FILES, *OPTIONAL_FILES, MANIFEST, SIGNATURE)

MAX_BUNDLE_BYTES: Final = 16 * 2**20  # as it travels: one tar file, not compressed
MAX_MEMBERS: Final = 64  # of that file, folders and what else is skipped counted with the rest

_BLOCK: Final = 512
_NAME, _SIZE, _CHECKSUM, _TYPE = slice(0, 100), slice(124, 136), slice(148, 156), slice(156, 157)
_PLAIN: Final = (b"0", b"\0")

T = TypeVar("T")


class BundleError(ValueError):
    """What should be a bundle is none."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the signature vouches for."""

    model_id: ModelId
    files: Annotated[dict[str, Sha256], Meta(max_length=16)]


def read_manifest(files: Mapping[str, bytes]) -> Manifest:
    """Return what a bundle's manifest says, once its files are those that it vouches for.

    Whether the manifest itself is signed is for who has the keys.

    Raises:
        BundleError: The manifest cannot be read, or a file is missing or altered.
    """
    manifest = _decode(MANIFEST, _file(files, MANIFEST), Manifest)
    named = (name for name in OPTIONAL_FILES if name in manifest.files)
    for name in (*SIGNED_FILES, *named):
        if hashlib.sha256(_file(files, name)).hexdigest() != manifest.files.get(name):
            message = f"{name}: altered since it was signed"
            raise BundleError(message)
    return manifest


def read_metadata(files: Mapping[str, bytes], manifest: Manifest) -> ModelMetadata:
    """Return what a bundle's model says of itself.

    Args:
        files: Of the bundle.
        manifest: Its own, as read from it.

    Raises:
        BundleError: It cannot be read, or names another model than the manifest.
    """
    metadata = _decode(METADATA, files[METADATA], ModelMetadata)
    if metadata.model_id != manifest.model_id:
        message = "metadata and manifest name different models"
        raise BundleError(message)
    return metadata


def manifest_sha256(files: Mapping[str, bytes]) -> Sha256:
    """Return by what a bundle is known: the manifest vouches for all the rest.

    Raises:
        BundleError: There is no manifest.
    """
    return hashlib.sha256(_file(files, MANIFEST)).hexdigest()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of a bundle that travelled as a tar file, by name.

    In which folder of the tar file they lie does not matter; whatever else it holds is skipped.

    Raises:
        BundleError: It is no tar file, ends early, is too large or has a file twice.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        message = f"larger than {MAX_BUNDLE_BYTES >> 20} MB"
        raise BundleError(message)
    files: dict[str, bytes] = {}
    at = 0
    for _ in range(MAX_MEMBERS):
        header = data[at : at + _BLOCK]
        if not any(header):  # as at the end of the data
            break
        name, size = _member(header)
        begin, at = at + _BLOCK, at + _BLOCK + -(-size // _BLOCK) * _BLOCK
        if at > len(data):
            message = "the tar file ends early"
            raise BundleError(message)
        if name is not None and name in files:
            message = f"{name}: is in the tar file twice"
            raise BundleError(message)
        if name is not None:
            files[name] = data[begin : begin + size]
    return files


def _member(header: bytes) -> tuple[str | None, int]:
    """Return the name of a file of ours, None if it is something else, and how long it is."""
    try:
        size = int(header[_SIZE].strip(b"\0 ") or b"0", 8)
        told = int(header[_CHECKSUM].strip(b"\0 ") or b"0", 8)
    except ValueError:
        size, told = -1, -1
    summed = sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")
    if size < 0 or told != summed:
        message = "not a tar file (it must not be compressed)"
        raise BundleError(message)
    name = header[_NAME].rstrip(b"\0").rpartition(b"/")[2].decode(errors="replace")
    is_ours = header[_TYPE] in _PLAIN and name in ALL_FILES
    return (name if is_ours else None), size


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        message = f"{name}: is missing"
        raise BundleError(message)
    return files[name]


def _decode(name: str, data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        message = f"{name}: {error}"
        raise BundleError(message) from error
