"""Ed25519 public keys in files, and whether one of them vouches for some bytes."""

from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from runtime.credentials import unreadable
from runtime.errors import ConfigError


def read_public_keys(folder: Path) -> list[Ed25519PublicKey]:
    """Return the keys of a folder, `*.pem`, in the order of their names.

    Raises:
        ConfigError: A file is no Ed25519 public key, or cannot be read.
    """
    return [read_public_key(path) for path in sorted(folder.glob("*.pem"))]


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the key of a PEM file.

    Raises:
        ConfigError: It is no Ed25519 public key, or cannot be read.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(unreadable(path, error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        message = f"{path}: no public key: {error}"
        raise ConfigError(message) from error
    if not isinstance(key, Ed25519PublicKey):
        message = f"{path}: not an Ed25519 key"
        raise ConfigError(message)
    return key


def signer_of(
    keys: Sequence[Ed25519PublicKey], signature: bytes, data: bytes
) -> Ed25519PublicKey | None:
    """Return which of some keys signed some bytes, None if none did."""
    for key in keys:
        try:
            key.verify(signature, data)
        except InvalidSignature:
            continue
        return key
    return None
