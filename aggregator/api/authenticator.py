"""Sign-in: passwords to sessions, sessions to short access tokens, keys to devices."""

import asyncio
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import jwt
import msgspec

from aggregator.addresses import guesser_of
from aggregator.api.holders import Holders
from aggregator.api.identity import RANKS, Identity, Machine, Person
from aggregator.api.passwords import MAX_CHARACTERS, Passwords
from aggregator.config import AuthConfig
from aggregator.errors import StoreError, UnauthenticatedError
from aggregator.keys import kept_key
from aggregator.shapes import NS_PER_S
from aggregator.store.audit import Somebody, audit
from aggregator.store.database import Database
from aggregator.store.devices import owner_of_key
from aggregator.store.sessions import (
    NewSession,
    Used,
    find_token,
    issue_token,
    note_refresh,
    open_session,
    revoke_session,
    use_token,
)
from aggregator.store.tokens import TokenKind, TokenUser, note_token_use, user_of_token
from aggregator.store.users import SessionUser, User, UserRow, user_by_name
from aggregator.throttle import Throttle

log = logging.getLogger(__name__)

AUDIENCE = "edgewarden"
ALGORITHM = "HS256"
KEY_FILE = "jwt.key"
KEY_BYTES = 32
DEVICE_KEY_PREFIX = "ewd_"
API_TOKEN_PREFIX = "ewt_"  # noqa: S105  not a token, what tokens begin with
STREAM_TOKEN_PREFIX = "ews_"  # noqa: S105
NOTE_USE_S = 60.0  # a token's last use is written down at most so often
MAX_NOTED = 10_000
MAX_PROGRAM_CHARACTERS = 200
TICKET_S = 30
MAX_TICKETS = 10_000
REFUSAL_S = 0.25  # from knowing that a sign-in is refused to saying so
FREE_FAILURES_OF_ACCOUNT = 5
FREE_FAILURES_OF_ADDRESS = 20
FREE_TAKEN_NAMES = 20  # that an organization may ask for


class Tokens(msgspec.Struct, frozen=True):
    """What a sign-in or a refresh brings."""

    user: SessionUser
    access_token: str
    refresh_token: str
    expires_in: int


class Origin(msgspec.Struct, frozen=True):
    """Where a sign-in comes from."""

    address: str = ""
    program: str = ""  # as it calls itself


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
        self.passwords = Passwords()
        self.registrations = Throttle(FREE_FAILURES_OF_ADDRESS, most_s=300.0)
        self.taken_names = Throttle(FREE_TAKEN_NAMES, most_s=300.0)
        self.enrolments = Throttle(FREE_FAILURES_OF_ADDRESS, most_s=300.0)
        self._database = database
        self._config = config
        self._key = key
        self._addresses = Throttle(FREE_FAILURES_OF_ADDRESS, most_s=300.0)
        self._accounts = Throttle(FREE_FAILURES_OF_ACCOUNT, most_s=60.0)
        self._holders = Holders(database)
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()
        self._noted: OrderedDict[int, float] = OrderedDict()

    async def sign_in(self, name: str, password: str, origin: Origin) -> Tokens:
        """Begin a session.

        Raises:
            UnauthenticatedError: The name or the password is wrong.
            TooManyAttemptsError: There were too many failures.
        """
        user = await self.check_password(name, password, origin.address)
        return await self._begin(user, origin)

    async def check_password(self, name: str, password: str, address: str) -> UserRow:
        """Return whose name and password these are; failures are counted and told to the audit.

        Raises:
            UnauthenticatedError: The name or the password is wrong.
            TooManyAttemptsError: There were too many failures.
        """
        account = name.lower()[:MAX_CHARACTERS]
        guesser = guesser_of(address)
        self._addresses.attempt(guesser)
        self._accounts.attempt(account)
        user = await user_by_name(self._database, name)
        known = user.password_hash if user is not None and user.is_active else None
        fits = len(password) <= MAX_CHARACTERS
        right = await self.passwords.verify(password[:MAX_CHARACTERS], known if fits else None)
        if user is None or not right:
            ends_s = time.monotonic() + REFUSAL_S
            if user is not None:
                await self._note(user, "session.refuse", address)
            # The audit takes a while, and is told only of who exists: all wait alike.
            await asyncio.sleep(ends_s - time.monotonic())
            message = "wrong username or password"
            raise UnauthenticatedError(message)
        self._accounts.forget(account)
        self._addresses.forgive(guesser)
        return user

    async def refresh(self, refresh_token: str, address: str) -> Tokens:
        """Trade a refresh token for the next pair. One that was used before ends its session.

        Raises:
            UnauthenticatedError: The token is unknown, used or of a session that is over.
        """
        message = "the refresh token is not valid any more"
        now_ns = time.time_ns()
        state = await find_token(self._database, digest(refresh_token))
        if state is None:
            raise UnauthenticatedError(message)
        user = await self._holders.get(state.session_id)
        if user is None:
            raise UnauthenticatedError(message)
        following = secrets.token_urlsafe(32)
        used = await self._database.change(
            Used,
            use_token(digest(refresh_token), now_ns),
            issue_token(state.session_id, digest(following), now_ns),
            note_refresh(state.session_id, now_ns),
        )
        if not used:  # somebody else has it as well: whoever it is, all of them sign in again
            await self._database.write(revoke_session(state.session_id, now_ns))
            await self._note(user, "session.reuse", address)
            log.warning("refresh_token_reused", extra={"user": user.username})
            raise UnauthenticatedError(message)
        return self._tokens(user, state.session_id, following)

    async def sign_out(self, who: Person) -> None:
        """End a session with all its tokens."""
        now_ns = time.time_ns()
        await self._database.write(
            revoke_session(who.session_id or "", now_ns),
            audit(who.user, "session.end", who.user.username, now_ns=now_ns),
        )

    async def identify(self, token: str, address: str = "") -> Identity:
        """Return who holds a token.

        Raises:
            UnauthenticatedError: Nobody, or not any more, or it opens nothing but WebSockets.
        """
        if token.startswith(DEVICE_KEY_PREFIX):
            owner = await owner_of_key(self._database, digest(token))
            if owner is None:
                message = "unknown device key"
                raise UnauthenticatedError(message)
            return Machine(owner)
        if token.startswith(API_TOKEN_PREFIX):
            return await self._holder(token, "api", address)
        claims = self._claims(token)
        who = await self._person(str(claims["sid"]), address)
        return msgspec.structs.replace(who, expires_s=claims["exp"])

    async def identify_stream(self, token: str, address: str = "") -> Person:
        """Return who holds a stream token, as a viewer.

        Raises:
            UnauthenticatedError: Nobody, or not any more, or it is a token of another kind.
        """
        return await self._holder(token, "stream", address)

    async def renewed(self, who: Person) -> Person | None:
        """Return somebody with the role they have by now; None if what they showed is over."""
        now_ns, address = time.time_ns(), who.user.address
        if who.token_id is not None:
            held = await user_of_token(self._database, token_id=who.token_id, now_ns=now_ns)
            return None if held is None else _by_token(held, address)
        if who.expires_s is not None and now_ns >= who.expires_s * NS_PER_S:
            return None
        user = await self._holders.get(who.session_id or "")
        if user is None:
            return None
        return msgspec.structs.replace(who, user=msgspec.structs.replace(user, address=address))

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
        if await self.renewed(found.person) is None:
            message = "the session is over"
            raise UnauthenticatedError(message)
        return found.person

    async def _person(self, session_id: str, address: str) -> Person:
        user = await self._holders.get(session_id)
        if user is None:
            message = "the session is over"
            raise UnauthenticatedError(message)
        return Person(msgspec.structs.replace(user, address=address), session_id)

    async def _holder(self, token: str, kind: TokenKind, address: str) -> Person:
        now_ns = time.time_ns()
        held = await user_of_token(self._database, token_hash=digest(token), now_ns=now_ns)
        if held is None or held.kind != kind:
            message = "the token is not valid, or not any more"
            raise UnauthenticatedError(message)
        await self._note_use(held.token_id, now_ns)
        return _by_token(held, address)

    async def _note_use(self, token_id: int, now_ns: int) -> None:
        now_s = time.monotonic()
        if now_s - self._noted.get(token_id, -NOTE_USE_S) < NOTE_USE_S:
            return
        self._noted[token_id] = now_s
        self._noted.move_to_end(token_id)
        if len(self._noted) > MAX_NOTED:
            self._noted.popitem(last=False)
        await self._database.write(note_token_use(token_id, now_ns))

    async def _note(self, user: UserRow | SessionUser, action: str, address: str) -> None:
        actor = Somebody(user.organization, user.username, user.id, address)
        await self._database.write(audit(actor, action, user.username, now_ns=time.time_ns()))

    async def _begin(self, user: UserRow, origin: Origin) -> Tokens:
        session_id, refresh_token = secrets.token_hex(16), secrets.token_urlsafe(32)
        now_ns = time.time_ns()
        new = NewSession(
            session_id=session_id,
            user_id=user.id,
            expires_ns=now_ns + self._config.refresh_token_s * NS_PER_S,
            address=origin.address,
            program=origin.program[:MAX_PROGRAM_CHARACTERS],
        )
        actor = Somebody(user.organization, user.username, user.id, origin.address)
        await self._database.write(
            *open_session(new, digest(refresh_token), now_ns),
            audit(actor, "session.begin", user.username, now_ns=now_ns),
        )
        person = await self._person(session_id, origin.address)
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


def new_secret(prefix: str) -> tuple[str, str]:
    """Return something to be shown once, and its hash, which is all that is kept."""
    secret = prefix + secrets.token_urlsafe(32)
    return secret, digest(secret)


def new_device_key() -> tuple[str, str]:
    """Return a new API key for a device, and its hash."""
    return new_secret(DEVICE_KEY_PREFIX)


def signing_key(directory: Path) -> bytes:
    """Return the secret that signs access tokens; made at the first start.

    Raises:
        StoreError: It can be neither read nor made.
    """
    path = directory / KEY_FILE
    key = kept_key(path, lambda: secrets.token_bytes(KEY_BYTES))
    if len(key) < KEY_BYTES:
        message = f"{path}: too short to sign with; delete it, and everybody signs in again"
        raise StoreError(message)
    return key


def digest(secret: str) -> str:
    """Return the hash of a token, key or invite."""
    # These are random and long: a fast hash is enough, and lets them be looked up.
    return hashlib.sha256(secret.encode()).hexdigest()


def _by_token(held: TokenUser, address: str) -> Person:
    fields = {name: getattr(held, name) for name in User.__struct_fields__}
    fields |= {"role": min(held.role, held.token_role, key=RANKS.__getitem__)}
    return Person(SessionUser(**fields, address=address), token_id=held.token_id)
