"""Sign-in: passwords to sessions, sessions to short access tokens, keys to devices."""

import hashlib
import os
import secrets
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import jwt
import msgspec

from aggregator.api.identity import Identity, Machine, Person
from aggregator.api.passwords import MAX_CHARACTERS, Passwords
from aggregator.api.throttle import Throttle
from aggregator.config import AuthConfig
from aggregator.errors import StoreError, UnauthenticatedError
from aggregator.shapes import NS_PER_S
from aggregator.store.database import Database
from aggregator.store.devices import owner_of_key
from aggregator.store.users import (
    SessionUser,
    Used,
    find_token,
    issue_token,
    open_session,
    revoke_session,
    use_token,
    user_by_name,
    user_of_session,
)

AUDIENCE = "edgewarden"
ALGORITHM = "HS256"
KEY_FILE = "jwt.key"
KEY_BYTES = 32
DEVICE_KEY_PREFIX = "ewd_"
TICKET_S = 30
MAX_TICKETS = 10_000
FREE_FAILURES_OF_ACCOUNT = 5
FREE_FAILURES_OF_ADDRESS = 20


class Tokens(msgspec.Struct, frozen=True):
    """What a sign-in or a refresh brings."""

    user: SessionUser
    access_token: str
    refresh_token: str
    expires_in: int


class _Ticket(msgspec.Struct, frozen=True):
    person: Person
    expires_s: float


class Authenticator:
    """Knows who is who.

    Args:
        database: Where users, sessions and device keys are.
        config: How long a sign-in holds.
        key: The secret that signs access tokens.
    """

    def __init__(self, database: Database, config: AuthConfig, key: bytes) -> None:
        self._database = database
        self._config = config
        self._key = key
        self._passwords = Passwords()
        self._accounts = Throttle(FREE_FAILURES_OF_ACCOUNT, most_s=60.0)
        self._addresses = Throttle(FREE_FAILURES_OF_ADDRESS, most_s=300.0)
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()

    async def sign_in(self, name: str, password: str, address: str) -> Tokens:
        """Begin a session.

        Raises:
            UnauthenticatedError: The name or the password is wrong.
            TooManyAttemptsError: There were too many failures.
        """
        account = name.lower()[:MAX_CHARACTERS]
        self._addresses.attempt(address)
        self._accounts.attempt(account)
        user = await user_by_name(self._database, name)
        known = user.password_hash if user is not None and user.is_active else None
        right = len(password) <= MAX_CHARACTERS and await self._passwords.verify(password, known)
        if user is None or not right:
            message = "wrong username or password"
            raise UnauthenticatedError(message)
        self._accounts.forget(account)
        self._addresses.forgive(address)
        return await self._begin(user.id)

    async def refresh(self, refresh_token: str) -> Tokens:
        """Trade a refresh token for the next pair. One that was used before ends its session.

        Raises:
            UnauthenticatedError: The token is unknown, used or of a session that is over.
        """
        message = "the refresh token is not valid any more"
        now_ns = time.time_ns()
        state = await find_token(self._database, _digest(refresh_token))
        if state is None or state.revoked_ns is not None or state.expires_ns <= now_ns:
            raise UnauthenticatedError(message)
        following = secrets.token_urlsafe(32)
        used = await self._database.write_returning(
            Used,
            use_token(_digest(refresh_token), now_ns),
            issue_token(state.session_id, _digest(following), now_ns),
        )
        if not used:  # somebody else has it as well
            await self._database.write(revoke_session(state.session_id, now_ns))
            raise UnauthenticatedError(message)
        user = await user_of_session(self._database, state.session_id, now_ns)
        if user is None:
            raise UnauthenticatedError(message)
        return self._tokens(user, state.session_id, following)

    async def sign_out(self, who: Person) -> None:
        """End a session with all its tokens."""
        await self._database.write(revoke_session(who.session_id, time.time_ns()))

    async def identify(self, token: str) -> Identity:
        """Return who holds a token.

        Raises:
            UnauthenticatedError: Nobody, or not any more.
        """
        if token.startswith(DEVICE_KEY_PREFIX):
            owner = await owner_of_key(self._database, _digest(token))
            if owner is None:
                message = "unknown device key"
                raise UnauthenticatedError(message)
            return Machine(owner)
        return await self._person(str(self._claims(token)["sid"]))

    async def still(self, who: Person) -> bool:
        """Return whether somebody's session is still going on."""
        user = await user_of_session(self._database, who.session_id, time.time_ns())
        return user is not None

    def ticket(self, who: Person) -> str:
        """Return a ticket that opens one WebSocket, once and soon."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = _Ticket(who, time.monotonic() + TICKET_S)
        if len(self._tickets) > MAX_TICKETS:
            self._tickets.popitem(last=False)
        return ticket

    async def redeem(self, ticket: str) -> Person:
        """Return who was given a ticket, and use it up.

        Raises:
            UnauthenticatedError: It is unknown, used or too old.
        """
        found = self._tickets.pop(ticket, None)
        if found is None or found.expires_s < time.monotonic():
            message = "the ticket is not valid any more"
            raise UnauthenticatedError(message)
        return await self._person(found.person.session_id)

    async def _person(self, session_id: str) -> Person:
        user = await user_of_session(self._database, session_id, time.time_ns())
        if user is None:
            message = "the session is over"
            raise UnauthenticatedError(message)
        return Person(user, session_id)

    async def _begin(self, user_id: int) -> Tokens:
        session_id, refresh_token = secrets.token_hex(16), secrets.token_urlsafe(32)
        now_ns = time.time_ns()
        expires_ns = now_ns + self._config.refresh_token_s * NS_PER_S
        await self._database.write(
            *open_session(
                session_id,
                user_id,
                token_hash=_digest(refresh_token),
                now_ns=now_ns,
                expires_ns=expires_ns,
            )
        )
        person = await self._person(session_id)
        return self._tokens(person.user, session_id, refresh_token)

    def _tokens(self, user: SessionUser, session_id: str, refresh_token: str) -> Tokens:
        now_s = time.time_ns() // NS_PER_S
        claims = {
            "sub": str(user.id),
            "sid": session_id,
            "aud": AUDIENCE,
            "iat": now_s,
            "exp": now_s + self._config.access_token_s,
        }
        access_token = jwt.encode(claims, self._key, ALGORITHM)
        return Tokens(user, access_token, refresh_token, self._config.access_token_s)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._key,
                [ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["exp", "sub", "sid", "aud"]},
            )
        except jwt.PyJWTError as error:
            message = "the access token is not valid"
            raise UnauthenticatedError(message) from error


def new_device_key() -> tuple[str, str]:
    """Return a new API key for a device, and its hash, which is all that is kept."""
    key = DEVICE_KEY_PREFIX + secrets.token_urlsafe(32)
    return key, _digest(key)


def signing_key(directory: Path) -> bytes:
    """Return the secret that signs access tokens; made at the first start.

    Raises:
        StoreError: It can be neither read nor made.
    """
    path = directory / KEY_FILE
    try:
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise StoreError(message) from error
    if len(key) < KEY_BYTES:
        message = f"{path}: too short to sign with; delete it, and everybody signs in again"
        raise StoreError(message)
    return key


def _digest(token: str) -> str:
    # These are random and long: a fast hash is enough, and lets them be looked up.
    return hashlib.sha256(token.encode()).hexdigest()
