"""What mosquitto has to know of enrolled devices: a password file and rules of access."""

import asyncio
import base64
import hashlib
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from aggregator.store.database import Database
from aggregator.store.enrolments import LoginRow, broker_logins
from contract import topics
from runtime.config import BrokerConfig
from runtime.errors import ConfigError
from runtime.files import write_whole

log = logging.getLogger(__name__)

PASSWORD_FILE = "edgewarden.passwd"  # noqa: S105  the name of a file
RULES_FILE = "edgewarden.acl"
PERIOD_S = 2.0
SALT_BYTES = 12
ROUNDS = 101  # as mosquitto_passwd; enough, since these passwords are random and long
HASH_BYTES = 64
GROUP_READS = 0o640
HEAD = "# Written by edgewarden-aggregator; what is changed here is lost.\n"


class BrokerFiles(msgspec.Struct, frozen=True):
    """The contents of both files."""

    passwords: str
    rules: str


class BrokerAccess:
    """Keeps mosquitto's files as the enrolled devices are.

    Args:
        database: Where devices are.
        folder: Where the files are written.
        ours: How we reach the broker: where it is by password, the files name us as well.
    """

    def __init__(self, database: Database, folder: Path, ours: BrokerConfig) -> None:
        self._database = database
        self._folder = folder
        self._own = _own_part(ours)
        self._written: BrokerFiles | None = None

    async def run(self) -> None:
        """Look every two seconds, for ever; what cannot be written is tried again."""
        failing = False
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                await self.write()
            except ConfigError as error:
                if not failing:
                    log.error("broker_files_not_written", extra={"why": str(error)})  # noqa: TRY400
                failing = True
            else:
                if failing:
                    log.info("broker_files_written")
                failing = False

    async def write(self) -> None:
        """Write what changed.

        Raises:
            ConfigError: A file cannot be written.
        """
        files = files_for(await broker_logins(self._database, None), self._own)
        if files == self._written:
            return
        try:
            # The rules first: a device that may sign in finds its own in force.
            for name, text in ((RULES_FILE, files.rules), (PASSWORD_FILE, files.passwords)):
                write_whole(self._folder / name, text.encode(), mode=GROUP_READS)
        except OSError as error:
            message = f"{self._folder}: {error.strerror}; `broker_files` in [enrolment] names it"
            raise ConfigError(message) from error
        self._written = files


NOBODY = BrokerFiles("", "")


def files_for(logins: Sequence[LoginRow], own: BrokerFiles = NOBODY) -> BrokerFiles:
    """Return the files that let devices sign in, each to say and hear what is its own."""
    passwords = "".join(
        f"{username_of(row.organization, row.device_id)}:{row.password_hash}\n" for row in logins
    )
    rules = "".join(_rules(row.organization, row.device_id) for row in logins)
    return BrokerFiles(own.passwords + passwords, HEAD + own.rules + rules)


def username_of(organization: str, device_id: str) -> str:
    """Return who a device is at the broker; no name has a dot, so no two are the same."""
    return f"{organization}.{device_id}"


def hash_for_broker(password: str) -> str:
    """Return what mosquitto keeps of a password: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(SALT_BYTES)
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, HASH_BYTES)
    return f"$7${ROUNDS}${_text(salt)}${_text(hashed)}"


def _rules(organization: str, device_id: str) -> str:
    said = [f"{topics.ROOT}/{organization}/{device_id}/{leaf}" for leaf in topics.LEAVES.values()]
    heard = [
        topics.commands_topic(organization, device_id),
        topics.receipts_topic(organization, device_id),
    ]
    return _user(username_of(organization, device_id), said, heard)


def _own_part(ours: BrokerConfig) -> BrokerFiles:
    if ours.username is None or ours.password_file is None:
        return NOBODY
    try:
        password = ours.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"password file of the broker: {error}"
        raise ConfigError(message) from error
    said = [topics.commands_topic("+", "+"), topics.receipts_topic("+", "+")]
    return BrokerFiles(
        f"{ours.username}:{hash_for_broker(password)}\n",
        _user(ours.username, said, [f"{topics.ROOT}/#"]),
    )


def _user(name: str, said: Sequence[str], heard: Sequence[str]) -> str:
    lines = [f"user {name}"]
    lines += [f"topic write {topic}" for topic in said]
    lines += [f"topic read {topic}" for topic in heard]
    return "\n" + "\n".join(lines) + "\n"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
