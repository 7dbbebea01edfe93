"""SNMP with one switch: read, walk, write, each with a bound on time and size. Knows no ports."""

import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agent.config import SwitchConfig
from agent.errors import IsolationError
from runtime.config import Section
from runtime.errors import ConfigError

Oid = tuple[int, ...]
Value = int | bytes

MAX_ROWS: Final = 16_384  # of one column
ROWS_AT_ONCE: Final = 25
# A group may read: so systemd shows a credential that an access list opens to one account.
OPEN_TO_OTHERS: Final = 0o037


class SwitchAwayError(IsolationError):
    """The switch does not answer, or not to us: nothing else that is asked of it would be done."""


Password = Annotated[str, Meta(min_length=8)]  # RFC 3414


class Community(Section, frozen=True, tag_field="version", tag="2c"):
    """SNMP v2c: one word, in the clear on the wire."""

    community: Annotated[str, Meta(min_length=1)]


class User(Section, frozen=True, tag_field="version", tag="3"):
    """SNMP v3 with authPriv: nothing less is spoken."""

    user: Annotated[str, Meta(min_length=1, max_length=32)]
    auth_password: Password
    privacy_password: Password
    auth: Literal["sha", "sha256", "sha512"] = "sha"
    privacy: Literal["aes128", "aes256"] = "aes128"


def read_login(config: SwitchConfig) -> Community | User:
    """Read how to get into the switch.

    Raises:
        ConfigError: No switch or no file is named, others may read it, or it does not say how.
    """
    path = config.credentials_file
    if not config.host or path is None:
        message = "set host and credentials_file in [isolation.switch]"
        raise ConfigError(message)
    try:
        if path.stat().st_mode & OPEN_TO_OTHERS:
            message = f"{path} is open to others: chmod 600 {path}"
            raise ConfigError(message)
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(tree, Community | User)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        message = f"credentials of the switch {path}: {error}"
        raise ConfigError(message) from error


class SnmpClient:
    """Speaks with the switch of the settings; every method may raise IsolationError."""

    def __init__(self, config: SwitchConfig, login: Community | User) -> None:
        # Imported late: only who has a switch pays for it.
        from pysnmp.hlapi.v3arch import asyncio as hlapi  # noqa: PLC0415

        self._hlapi = hlapi
        self._config = config
        self._login = _login(hlapi, login)
        self._engine: Any = None
        self._target: Any = None

    async def get(self, oids: Sequence[Oid]) -> list[Value | None]:
        """Return one value for each; None where there is none."""
        bindings = await self._ask(self._hlapi.get_cmd, *(self._at(oid) for oid in oids))
        return [self._value(value) for _, value in bindings]

    async def walk(self, column: Oid) -> dict[Oid, Value]:
        """Return a column's values by what follows its name; at most MAX_ROWS."""
        found: dict[Oid, Value] = {}
        last = column
        while True:
            rows = await self._ask(self._hlapi.bulk_cmd, 0, ROWS_AT_ONCE, self._at(last))
            for name, raw in rows:
                oid, value = tuple(name), self._value(raw)
                if oid[: len(column)] != column or value is None:
                    return found
                if oid <= last or len(found) >= MAX_ROWS:
                    message = f"switch {self._config.host} tells a table without end"
                    raise IsolationError(message)
                found[oid[len(column) :]], last = value, oid
            if not rows:
                return found

    async def set_integer(self, oid: Oid, value: int) -> None:
        """Write a value."""
        await self._ask(self._hlapi.set_cmd, self._at(oid, self._hlapi.Integer32(value)))

    def close(self) -> None:
        """Give the socket back."""
        if self._engine is not None:
            self._engine.close_dispatcher()
        self._engine = None

    def _at(self, oid: Oid, *value: object) -> object:
        return self._hlapi.ObjectType(self._hlapi.ObjectIdentity(oid), *value)

    def _value(self, raw: Any) -> Value | None:  # noqa: ANN401
        nothing = (self._hlapi.NoSuchObject, self._hlapi.NoSuchInstance, self._hlapi.EndOfMibView)
        if isinstance(raw, nothing):
            return None
        return bytes(raw) if isinstance(raw, self._hlapi.OctetString) else int(raw)

    async def _ask(self, command: Any, *what: object) -> list[Any]:  # noqa: ANN401
        from pysnmp.error import PySnmpError  # noqa: PLC0415

        host = self._config.host
        try:
            target = await self._reached()
            failed, refused, at, bindings = await command(
                self._engine,
                self._login,
                target,
                self._hlapi.ContextData(),
                *what,
                lookupMib=False,
            )
        except (PySnmpError, OSError) as error:
            message = f"switch {host}: {error}"
            raise SwitchAwayError(message) from error
        if failed:
            message = f"switch {host} does not answer: {failed}"
            raise SwitchAwayError(message)
        if refused:
            message = f"switch {host} refuses: {refused.prettyPrint()} (value {at})"
            raise IsolationError(message)
        return list(bindings)

    async def _reached(self) -> Any:  # noqa: ANN401
        if self._engine is None:
            config, target = self._config, self._hlapi.UdpTransportTarget
            if ":" in config.host:
                target = self._hlapi.Udp6TransportTarget
            self._target = await target.create(
                (config.host, config.port), timeout=config.timeout_s, retries=config.retries
            )
            self._engine = self._hlapi.SnmpEngine()
        return self._target


def _login(hlapi: Any, login: Community | User) -> object:  # noqa: ANN401
    if isinstance(login, Community):
        return hlapi.CommunityData(login.community, mpModel=1)
    auth = {
        "sha": hlapi.USM_AUTH_HMAC96_SHA,
        "sha256": hlapi.USM_AUTH_HMAC192_SHA256,
        "sha512": hlapi.USM_AUTH_HMAC384_SHA512,
    }
    privacy = {"aes128": hlapi.USM_PRIV_CFB128_AES, "aes256": hlapi.USM_PRIV_CFB256_AES}
    return hlapi.UsmUserData(
        login.user,
        login.auth_password,
        login.privacy_password,
        authProtocol=auth[login.auth],
        privProtocol=privacy[login.privacy],
    )
