"""Authorization codes: what a person shows besides being signed in before a host is let go, or a right given away."""

import base64
import hmac
import secrets
import time
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from aggregator.api.authenticator import digest
from aggregator.errors import ConflictError, WrongCodeError
from aggregator.keys import kept_key
from aggregator.shapes import NS_PER_S
from aggregator.store.audit import audit
from aggregator.store.codes import (
    CodeOwner,
    CodeSecret,
    add_recovery_codes,
    find_code_secret,
    forget_codes,
    replace_code_secret,
    use_code,
    use_recovery_code,
)
from aggregator.store.database import Database, Statement
from aggregator.store.users import SessionUser
from aggregator.throttle import Throttle
from runtime import totp

KEY_FILE: Final = "codes.key"
ISSUER: Final = "Edgewarden"
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10  # 16 letters: too many to try
FREE_FAILURES: Final = 5
MOST_WAIT_S: Final = 300.0

HOW_TO_ENROL = (
    "no authenticator is enrolled for you: POST /api/v1/auth/totp with your password gives its"
    " secret, POST /api/v1/auth/totp/confirm with its first code finishes"
)


class Enrolment(msgspec.Struct, frozen=True):
    """What an authenticator is given, once."""

    secret: str
    otpauth_uri: str


class AuthorizationCodes:
    """Knows whose code is right, and lets each be used once.

    The secret of a user's authenticator is made from a key file and a salt: the database, its
    copies and what analysts read of it hold nothing that makes a code.

    Args:
        database: Where salts and used codes are.
        key: The secret of this installation.
    """

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key
        self._failures = Throttle(FREE_FAILURES, most_s=MOST_WAIT_S)

    async def state(self, user: SessionUser) -> CodeSecret | None:
        """Return what is kept of a user's authenticator, if there is one."""
        return await find_code_secret(self._database, user.organization, user.id)

    async def enrol(self, user: SessionUser) -> Enrolment:
        """Begin with an authenticator; it counts when a code of it was confirmed.

        Raises:
            ConflictError: There is one already.
        """
        known = await self.state(user)
        if known is not None and known.confirmed_ns is not None:
            message = "an authenticator is enrolled: remove it with a code of it first"
            raise ConflictError(message)
        salt, now_ns = secrets.token_hex(16), time.time_ns()
        await self._database.write(
            *replace_code_secret(user.organization, user.id, salt, now_ns),
            audit(user, "totp.enrol", user.username, now_ns=now_ns),
        )
        secret = self._secret(salt)
        uri = totp.enrolment_uri(secret, ISSUER, user.username)
        return Enrolment(totp.as_text(secret), uri)

    async def confirm(self, user: SessionUser, code: str) -> list[str]:
        """Finish an enrolment with a first code; return recovery codes, shown once.

        Raises:
            WrongCodeError: It is not a code of the authenticator.
            ConflictError: Nothing is to be confirmed.
            TooManyAttemptsError: There were too many wrong codes.
        """
        known = await self.state(user)
        if known is None or known.confirmed_ns is not None:
            message = "there is no enrolment to confirm: begin with POST /api/v1/auth/totp"
            raise ConflictError(message)
        self._failures.attempt(str(user.id))
        step = totp.matching_step(
            self._secret(known.salt), _plain(code), time.time_ns() // NS_PER_S
        )
        codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
        now_ns = time.time_ns()
        whose = (user.organization, user.id)
        if step is None or not await self._database.change(
            CodeOwner,
            use_code(*whose, known.salt, step, now_ns=now_ns, confirms=True),
            add_recovery_codes(*whose, [digest(_plain(each)) for each in codes]),
            audit(user, "totp.confirm", user.username, now_ns=now_ns),
        ):
            await self._refuse(user)
        self._failures.forget(str(user.id))
        return codes

    async def use(self, user: SessionUser, code: str | None) -> None:
        """Use up a code of a user's authenticator, or a recovery code.

        Raises:
            WrongCodeError: It is missing, wrong or used, or no authenticator is enrolled.
            TooManyAttemptsError: There were too many wrong codes.
        """
        if not await self._database.change(CodeOwner, await self.check(user, code)):
            await self._refuse(user)

    async def step_up(
        self, user: SessionUser, code: str | None, *, everybody: bool = False
    ) -> None:
        """Use up a code of who has an authenticator; who has none needs none, unless everybody does.

        Raises:
            WrongCodeError: It is missing, wrong or used.
            TooManyAttemptsError: There were too many wrong ones.
        """
        known = await self.state(user)
        if everybody or (known is not None and known.confirmed_ns is not None):
            await self.use(user, code)

    async def check(self, user: SessionUser, code: str | None) -> Statement:
        """Return what uses up a right code; it belongs into the transaction of what it is for.

        Raises:
            WrongCodeError: It is missing, wrong or used, or no authenticator is enrolled.
            TooManyAttemptsError: There were too many wrong codes.
        """
        known = await self.state(user)
        if known is None or known.confirmed_ns is None:
            raise WrongCodeError(HOW_TO_ENROL)
        if not code:
            message = "authorization_code is missing: it comes from your authenticator"
            raise WrongCodeError(message)
        self._failures.attempt(str(user.id))
        use = self._use(user, known, _plain(code))
        if use is None:
            await self._refuse(user)
        self._failures.forget(str(user.id))
        return use

    async def remove(self, user: SessionUser, code: str | None) -> None:
        """Forget a user's authenticator and recovery codes.

        Raises:
            WrongCodeError: The code is missing, wrong or used.
            TooManyAttemptsError: There were too many wrong codes.
        """
        await self.use(user, code)
        await self._database.write(
            *forget_codes(user.organization, user.id),
            audit(user, "totp.remove", user.username, now_ns=time.time_ns()),
        )

    def _use(self, user: SessionUser, known: CodeSecret, code: str) -> Statement | None:
        now_ns = time.time_ns()
        whose = (user.organization, user.id)
        step = totp.matching_step(self._secret(known.salt), code, now_ns // NS_PER_S)
        if step is not None and step > known.last_step:
            return use_code(*whose, known.salt, step, now_ns=now_ns)
        if digest(code) in known.recovery_hashes:
            return use_recovery_code(*whose, digest(code), now_ns)
        return None

    async def _refuse(self, user: SessionUser) -> NoReturn:
        await self._database.write(
            audit(user, "totp.refuse", user.username, now_ns=time.time_ns())
        )
        message = "the authorization code is wrong or was used"
        raise WrongCodeError(message)

    def _secret(self, salt: str) -> bytes:
        return hmac.digest(self._key, salt.encode(), "sha256")[: totp.SECRET_BYTES]


def code_key(directory: Path) -> bytes:
    """Return the secret that authenticators' secrets are made from; made at the first start.

    Raises:
        StoreError: It can be neither read nor made.
    """
    return kept_key(directory / KEY_FILE, lambda: secrets.token_bytes(32))


def _new_recovery_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _plain(code: str) -> str:
    """Return a code without what people put between its characters."""
    return code.replace("-", "").replace(" ", "").lower()[:64]
