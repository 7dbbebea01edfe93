"""Passwords: argon2id, off the event loop, at most two at once since each takes 64 MB."""

import asyncio
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from aggregator.errors import InvalidError

AT_ONCE = 2
MIN_CHARACTERS = 8
MAX_CHARACTERS = 256
GENERATED_BYTES = 15
MIN_DIFFERENT = 4  # characters: `aaaaaaaa` and `12121212` are guessed at once
MIN_BESIDE_NAME = 4

_hasher = PasswordHasher()


def check_password(password: str, *names: str | None) -> None:
    """Refuse a password that a guesser tries first. Which characters it has is its owner's choice.

    Args:
        password: What somebody wants to sign in with.
        names: What its owner is called.

    Raises:
        InvalidError: It is too short, too long, or hardly more than a name.
    """
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        message = f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters"
        raise InvalidError(message)
    if len(set(password)) < MIN_DIFFERENT:
        message = "the password repeats itself: take a longer phrase"
        raise InvalidError(message)
    rest = password.lower()
    for name in filter(None, names):
        rest = rest.replace(name.lower(), "")
    if len(rest) < MIN_BESIDE_NAME:
        message = "the password is hardly more than the user's name"
        raise InvalidError(message)


def generated_password() -> str:
    """Return a password that nobody guesses."""
    return secrets.token_urlsafe(GENERATED_BYTES)


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
