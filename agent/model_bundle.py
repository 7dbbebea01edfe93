"""A model bundle on disk: the model, its trees, what it says of itself, and a signature over all."""

import hashlib
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Meta

from agent.errors import ModelError
from contract.identifiers import ModelId
from contract.model_metadata import ModelMetadata

MODEL: Final = "model.onnx"
TREES: Final = "trees.npz"  # what the explanation needs; ONNX does not carry the covers
METADATA: Final = "metadata.json"
CARD: Final = "card.md"
MANIFEST: Final = "manifest.json"  # sha256 of every other file
SIGNATURE: Final = "manifest.sig"  # Ed25519 over the manifest's bytes
SIGNED_FILES: Final = (MODEL, TREES, METADATA, CARD)

DEFAULT_BUNDLE: Final = Path(__file__).parent / "models" / "default"
SHIPPED_KEYS: Final = Path(__file__).parent / "models" / "keys"  # public keys, PEM

MAX_FILE_BYTES: Final = 64 * 2**20

T = TypeVar("T")

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the signature vouches for."""

    model_id: ModelId
    files: Annotated[dict[str, Sha256], Meta(max_length=16)]


class Bundle(msgspec.Struct, frozen=True, eq=False):
    """A bundle's contents as they were when they were verified."""

    model: bytes
    trees: bytes
    metadata: ModelMetadata


def load_bundle(folder: Path, trusted_keys: Path | None = None) -> Bundle:
    """Read a bundle and believe it only when a trusted key signed exactly these bytes.

    Args:
        folder: Holds the files named above.
        trusted_keys: A folder of Ed25519 public keys (`*.pem`) that are trusted beside the one
            that the package ships for its default bundle.

    Raises:
        ModelError: A file is missing or altered, or no trusted key signed the manifest.
    """
    signed = _read(folder / MANIFEST)
    _check_signature(folder, signed, _read(folder / SIGNATURE), trusted_keys)
    manifest = _decode(folder / MANIFEST, signed, Manifest)
    files = {name: _read_checked(folder / name, manifest) for name in SIGNED_FILES}
    metadata = _decode(folder / METADATA, files[METADATA], ModelMetadata)
    if metadata.model_id != manifest.model_id:
        message = f"{folder}: metadata and manifest name different models"
        raise ModelError(message)
    return Bundle(files[MODEL], files[TREES], metadata)


def _check_signature(
    folder: Path, signed: bytes, signature: bytes, trusted_keys: Path | None
) -> None:
    folders = [SHIPPED_KEYS] if trusted_keys is None else [SHIPPED_KEYS, trusted_keys]
    keys = [_read_key(path) for place in folders for path in sorted(place.glob("*.pem"))]
    if not any(_has_signed(key, signed, signature) for key in keys):
        message = f"{folder}: not signed by a trusted key ({len(keys)} keys tried)"
        raise ModelError(message)


def _has_signed(key: Ed25519PublicKey, signed: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _read_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        message = f"{path}: no public key: {error}"
        raise ModelError(message) from error
    if not isinstance(key, Ed25519PublicKey):
        message = f"{path}: not an Ed25519 key"
        raise ModelError(message)
    return key


def _read_checked(path: Path, manifest: Manifest) -> bytes:
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != manifest.files.get(path.name):
        message = f"{path}: altered since it was signed"
        raise ModelError(message)
    return data


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


def _decode(path: Path, data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        message = f"{path}: {error}"
        raise ModelError(message) from error
