"""Passwords: argon2id, off the event loop, at most two at once since each takes 64 MB."""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 2
MIN_CHARACTERS = 8
MAX_CHARACTERS = 256

_hasher = PasswordHasher()


class Passwords:
    """Makes and checks password hashes."""

    def __init__(self) -> None:
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return the hash of a password."""
        async with self._at_once:
            return await asyncio.to_thread(_hasher.hash, password)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Return whether a password belongs to a hash; as slow where there is no hash."""
        async with self._at_once:
            right = await asyncio.to_thread(_verify, password_hash or _nobodys(), password)
        return right and password_hash is not None


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody")


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
