"""Secrets that have to be read again, sealed before they are kept."""

import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aggregator.errors import SealError
from aggregator.keys import kept_key

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Seal:
    """Seals with a key of this installation, each secret for one place.

    Args:
        key: KEY_BYTES random bytes.
        name: Of the file that holds it, for who has to look.
    """

    def __init__(self, key: bytes, name: str) -> None:
        self._cipher = AESGCM(key)
        self._name = name

    def close(self, place: str, plain: bytes) -> bytes:
        """Return a secret that nobody reads without the key, nor in another place."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def open(self, place: str, sealed: bytes) -> bytes:
        """Return a secret that was sealed.

        Raises:
            SealError: It was sealed with another key, or for another place.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except InvalidTag as error:
            message = f"{self._name} is not the one this was sealed with: give the secret anew"
            raise SealError(message) from error


def load_seal(path: Path) -> Seal:
    """Return the seal of a key file; the key is made at the first start.

    Raises:
        StoreError: The key can be neither read nor made.
    """
    return Seal(kept_key(path, lambda: secrets.token_bytes(KEY_BYTES)), path.name)
