"""The signature of a bundle: who made it vouches for every byte."""

import hashlib
import os
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from contract.identifiers import ModelId
from contract.model_bundle import (
    MANIFEST,
    OPTIONAL_FILES,
    SIGNATURE,
    SIGNED_FILES,
    Manifest,
)
from model_training.errors import StepError


def sign_bundle(folder: Path, model_id: ModelId, key: Ed25519PrivateKey) -> None:
    """Write the manifest of a bundle's files, and its signature.

    Raises:
        StepError: A file is missing.
    """
    try:
        names = (*SIGNED_FILES, *(n for n in OPTIONAL_FILES if (folder / n).exists()))
        files = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    except OSError as error:
        message = f"{folder}: {error.strerror}: {error.filename}; export first"
        raise StepError(message) from error
    encoded = msgspec.json.encode(Manifest(model_id=model_id, files=files))
    manifest = msgspec.json.format(encoded, indent=1) + b"\n"
    (folder / MANIFEST).write_bytes(manifest)
    (folder / SIGNATURE).write_bytes(key.sign(manifest))


def read_or_create_key(path: Path) -> Ed25519PrivateKey:
    """Read a signing key; where there is none, create one that only its owner can read.

    Raises:
        StepError: The file holds something else, or cannot be read or written.
    """
    try:
        if not path.exists():
            _create_key(path)
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        message = f"{path}: no signing key: {error}"
        raise StepError(message) from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{path}: not an Ed25519 key"
        raise StepError(message)
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """Return what agents need to trust bundles signed with a key."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _create_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
