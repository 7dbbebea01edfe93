"""Addresses with tokens and the secrets of webhooks, sealed before they are kept."""

import secrets
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aggregator.errors import DeliveryError
from aggregator.keys import kept_key

KEY_FILE: Final = "notifications.key"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Address(msgspec.Struct, frozen=True):
    """Where a channel goes, with everything that nobody else may know."""

    url: str
    secret: str = ""  # by which a webhook tells that it is us


class Seal:
    """Seals addresses with the key of this installation, each for one organization."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, organization: str, address: Address) -> bytes:
        """Return an address that nobody reads without the key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        plain = msgspec.json.encode(address)
        return nonce + self._cipher.encrypt(nonce, plain, organization.encode())

    def open(self, organization: str, sealed: bytes) -> Address:
        """Return an address that was sealed.

        Raises:
            DeliveryError: It was sealed with another key, or for another organization.
        """
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, rest, organization.encode())
        except InvalidTag as error:
            message = f"{KEY_FILE} is not the one this was sealed with: make the channel anew"
            raise DeliveryError(message, final=True) from error
        return msgspec.json.decode(plain, type=Address)


def load_seal(directory: Path) -> Seal:
    """Return the seal of this installation; its key is made at the first start.

    Raises:
        StoreError: The key can be neither read nor made.
    """
    return Seal(kept_key(directory / KEY_FILE, lambda: secrets.token_bytes(KEY_BYTES)))
