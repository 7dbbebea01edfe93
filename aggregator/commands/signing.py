"""The key by which devices believe that a command is ours."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from aggregator.errors import StoreError
from aggregator.keys import kept_key
from contract.codec import encode
from contract.commands import Order, SignedOrder, key_id

KEY_FILE = "commands.key"


class Signer:
    """Signs orders."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._key_id = key_id(key.public_key().public_bytes_raw())

    def sign(self, order: Order) -> bytes:
        """Return a signed order as it travels.

        Raises:
            CodecError: It is larger than the wire allows.
        """
        data = encode(order)
        return encode(SignedOrder(order=data, key_id=self._key_id, signature=self._key.sign(data)))

    def public_pem(self) -> str:
        """Return what agents need to believe us, PEM."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def load_signer(directory: Path) -> Signer:
    """Return who signs for this installation; the key is made at the first start.

    Raises:
        StoreError: The key can be neither read nor made, or is none.
    """
    path = directory / KEY_FILE
    pem = kept_key(path, _new_key)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"{path}: no private key: {error}"
        raise StoreError(message) from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{path}: not an Ed25519 key"
        raise StoreError(message)
    return Signer(key)


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
