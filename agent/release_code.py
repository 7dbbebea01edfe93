"""The code that lets go on this box without the centre, checked offline (RFC 6238)."""

import base64
import binascii
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import ReleaseCodeError
from runtime import totp

SECOND_NS: Final = 1_000_000_000
FREE_FAILURES: Final = 3
MOST_WAIT_S: Final = 300


class _Use(msgspec.Struct):
    """Which codes are used up, and how long whoever guesses has to wait."""

    last_step: int = 0
    failures: int = 0
    wait_until_ns: int = 0


def new_secret(path: Path) -> str:
    """Make the secret of this box; return what an authenticator reads, which is shown once.

    Raises:
        ReleaseCodeError: There is one already, or it cannot be written.
    """
    secret = secrets.token_bytes(totp.SECRET_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(totp.as_text(secret) + "\n")
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise ReleaseCodeError(message) from error
    return totp.enrolment_uri(secret, "Edgewarden", os.uname().nodename)


def use_release_code(path: Path, code: str, now_ns: Callable[[], int] = time.time_ns) -> None:
    """Let pass who gives a code of the secret in a file; each is good once.

    Which were used is kept beside the secret, so that a restart changes nothing.

    Args:
        path: The secret, as authenticators write it.
        code: What a person gave.
        now_ns: The clock.

    Raises:
        ReleaseCodeError: The code is wrong or used, comes too early after wrong ones, or cannot
            be checked.
    """
    secret = _secret(path)
    with _kept(path.with_name(path.name + ".used")) as use:
        moment_ns = now_ns()
        # After the clock was set back, no longer than it would have been.
        left_s = min(-(-(use.wait_until_ns - moment_ns) // SECOND_NS), MOST_WAIT_S)
        if left_s > 0:
            message = f"too many wrong codes: try again in {left_s} s"
            raise ReleaseCodeError(message)
        step = totp.matching_step(secret, code.replace(" ", ""), moment_ns // SECOND_NS)
        if step is None or step <= use.last_step:
            _fail(use, moment_ns)
            message = "the code is wrong or was used; is this box's clock right? (timedatectl)"
            raise ReleaseCodeError(message)
        use.last_step, use.failures, use.wait_until_ns = step, 0, 0


def _fail(use: _Use, now_ns: int) -> None:
    use.failures += 1
    beyond = use.failures - FREE_FAILURES
    if beyond >= 0:
        use.wait_until_ns = now_ns + min(MOST_WAIT_S, 2 ** min(beyond, 16)) * SECOND_NS


def _secret(path: Path) -> bytes:
    try:
        return base64.b32decode(path.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        message = f"secret for release codes {path}: {error}"
        raise ReleaseCodeError(message) from error


@contextmanager
def _kept(path: Path) -> Iterator[_Use]:
    """Give what is kept in a file to one process at a time, and keep what it becomes."""
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            use = msgspec.json.decode(file.read() or b"{}", type=_Use)
            try:
                yield use
            finally:
                file.seek(0)
                file.write(msgspec.json.encode(use))
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
    except (OSError, msgspec.MsgspecError) as error:
        message = f"{path}: {error}"
        raise ReleaseCodeError(message) from error
