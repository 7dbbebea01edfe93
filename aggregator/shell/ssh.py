"""SSH: the only module that knows the library. Connects, runs what is fixed, opens terminals."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Final

import asyncssh
import msgspec

from aggregator.addresses import literal, meant, why_no_device
from aggregator.config import ShellConfig
from aggregator.errors import ConflictError, InvalidError, LoginRefusedError, UnreachableError

TERMINAL: Final = "xterm-256color"
KEEPALIVE_S: Final = 15
_READ_BYTES: Final = 32 * 1024


class Login(msgspec.Struct, frozen=True):
    """Where to, as whom, and whose key is expected there; empty: nobody's yet."""

    host: str
    port: int
    username: str
    password: str
    host_key: str  # SHA256:...
    loopback: bool = True  # whether the device may be this machine itself


class Line(msgspec.Struct, frozen=True):
    """An open connection and the key of who is at its other end."""

    connection: asyncssh.SSHClientConnection
    host_key: str

    async def output_of(self, command: str, *, most_s: float, most_bytes: int) -> bytes:
        """Run a command to its end; return what it wrote, cut at so many bytes.

        Raises:
            UnreachableError: It took too long, or the line broke.
        """
        try:
            async with asyncio.timeout(most_s):
                process = await self.connection.create_process(
                    command, encoding=None, stderr=asyncssh.DEVNULL, stdin=asyncssh.DEVNULL
                )
                try:
                    return await _read_most(process, most_bytes)
                finally:
                    process.close()
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise UnreachableError(_why(error, "the command")) from error

    async def terminal(self, rows: int, columns: int) -> "Terminal":
        """Open a terminal with the login shell.

        Raises:
            UnreachableError: The device gives none.
        """
        try:
            process = await self.connection.create_process(
                term_type=TERMINAL, term_size=(columns, rows), encoding=None
            )
        except (OSError, asyncssh.Error) as error:
            raise UnreachableError(_why(error, "the terminal")) from error
        return Terminal(process)


class Terminal:
    """A login shell behind a terminal."""

    def __init__(self, process: "asyncssh.SSHClientProcess[bytes]") -> None:
        self._process = process

    async def read(self) -> bytes:
        """Return what comes next; empty at the end."""
        try:
            return await self._process.stdout.read(_READ_BYTES)
        except (OSError, asyncssh.Error):
            return b""

    async def write(self, data: bytes) -> None:
        """Send keys; waits while the device takes none."""
        with contextlib.suppress(OSError, asyncssh.Error):  # reading tells that it is over
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    def resize(self, rows: int, columns: int) -> None:
        """Tell the device how large the window is."""
        self._process.change_terminal_size(columns, rows)


@contextlib.asynccontextmanager
async def connected(login: Login, config: ShellConfig) -> AsyncIterator[Line]:
    """Connect to a device, and hang up in the end.

    Raises:
        InvalidError: The settings do not allow that address.
        ConflictError: Another key is there than the one that is expected.
        LoginRefusedError: The device does not let this user in with this password.
        UnreachableError: Nobody answers.
    """
    address = await _resolved(login, config)
    client = _Client(login.host_key)
    try:
        async with asyncio.timeout(config.connect_s):
            connection = await asyncssh.connect(
                address,
                login.port,
                client_factory=lambda: client,
                username=login.username,
                password=login.password,
                # Nothing of the user that we run as: no keys, no agent, no known hosts, no settings.
                config=None,
                client_keys=None,
                agent_path=None,
                known_hosts=([], [], []),
                x509_trusted_certs=None,
                preferred_auth=("password", "keyboard-interactive"),
                keepalive_interval=KEEPALIVE_S,
            )
    except asyncssh.PermissionDenied as error:
        message = f"{login.host} port {login.port}: user name or password are refused"
        raise LoginRefusedError(message) from error
    except (OSError, asyncssh.Error, TimeoutError) as error:
        if client.refused:
            message = (
                f"{login.host} shows the host key {client.host_key} instead of"
                f" {login.host_key}: have an admin look, and forget the old one"
            )
            raise ConflictError(message) from error
        raise UnreachableError(_why(error, f"{login.host} port {login.port}")) from error
    async with connection:
        yield Line(connection, client.host_key)


class _Client(asyncssh.SSHClient):
    """Looks at the key of who answers."""

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self.host_key = ""
        self.refused = False

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002  as the library calls it
        addr: str,  # noqa: ARG002
        port: int,  # noqa: ARG002
        key: asyncssh.SSHKey,
    ) -> bool:
        """Tell whether to go on."""
        self.host_key = key.get_fingerprint()
        self.refused = bool(self._expected) and self.host_key != self._expected
        return not self.refused


def check_host(host: str) -> None:
    """Refuse a host that is written as an address at which no device is.

    Raises:
        InvalidError: It is one.
    """
    address = literal(host)
    why = "" if address is None else why_no_device(address)
    if why:
        message = f"host: {host} is {why}: no device is reached there"
        raise InvalidError(message)


async def _resolved(login: Login, config: ShellConfig) -> str:
    """Return the address to connect to: a name is looked up once, and what is checked is used."""
    host = login.host
    try:
        async with asyncio.timeout(config.connect_s):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, login.port, type=socket.SOCK_STREAM
            )
    except (OSError, TimeoutError, UnicodeError) as error:
        message = f"{host}: there is no such host"
        raise UnreachableError(message) from error
    networks = [ipaddress.ip_network(network, strict=False) for network in config.networks]
    message = f"{host}: [shell] networks does not hold its address"
    for *_, place in found:
        address = meant(str(place[0]))
        why = why_no_device(address)
        if why:
            message = f"{host} is {why}: no device is reached there"
        elif address.is_loopback and not login.loopback:
            message = f"{host} is this machine: [shell] networks says whether it is a device"
        elif any(address in network for network in networks):
            return str(place[0])
    raise InvalidError(message)


async def _read_most(process: "asyncssh.SSHClientProcess[bytes]", most_bytes: int) -> bytes:
    parts, size = [], 0
    while size < most_bytes and (part := await process.stdout.read(most_bytes - size)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _why(error: BaseException, what: str) -> str:
    match error:
        case TimeoutError():
            return f"{what}: takes too long"
        case OSError():
            return f"{what}: {error.strerror or error}"
        case _:
            return f"{what}: {error}"[:200]
