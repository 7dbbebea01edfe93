"""What `doctor` finds of the way to the broker, and of the orders that come by it."""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import structs

from agent.config import AgentConfig
from agent.finding import Finding
from runtime.broker import READABLE_BY_OTHERS
from runtime.config import BrokerConfig
from runtime.credentials import kept_as
from runtime.errors import ConfigError
from runtime.signatures import read_public_key
from runtime.tls import client_context, common_name

_CONNECT_S: Final = 3.0
_REFUSAL_S: Final = 1.0


def broker_findings(config: AgentConfig) -> Iterator[Finding]:
    """Greet the broker as the service would, and look at what that takes."""
    if not config.broker.host:
        fix = "[broker] host = the aggregator's address"
        yield Finding("warning", "no broker: alerts stay on this box", fix)
        return
    broker = _as_kept(config.broker)
    where = f"broker {broker.host}:{broker.port_used}"
    try:
        _greet(broker)
    except ConfigError as error:
        yield Finding("broken", str(error), "docs/operations.md, 4. Certificates")
    except ssl.SSLError as error:
        fix = (
            "ca_file, the name in [broker] host and the clock (timedatectl) have to fit the "
            "broker's certificate; its log says why it refuses ours"
        )
        yield Finding("broken", f"{where}: {error}", fix)
    except OSError as error:
        fix = "check host, port and firewall; what happens meanwhile waits in the spool"
        yield Finding("broken", f"{where}: {error}", fix)
    else:
        yield Finding("fine", f"{where} answers")
    yield from _secrets(broker)
    yield from _own_name(config.device_id, broker)


def _as_kept(broker: BrokerConfig) -> BrokerConfig:
    """Name files that only the service sees, while it runs, by where they are kept."""
    files = {
        name: kept
        for name in ("ca_file", "cert_file", "key_file", "password_file")
        if (path := getattr(broker, name)) and not _is_there(path) and (kept := kept_as(path))
    }
    there = {name: kept for name, kept in files.items() if _is_there(kept)}
    return structs.replace(broker, **there)


def _is_there(path: Path) -> bool:
    return os.access(path, os.F_OK)  # Path.exists fails where a folder may not be entered


def _greet(broker: BrokerConfig) -> None:
    """Connect, with our certificate where there is one, and say nothing."""
    with socket.create_connection((broker.host, broker.port_used), _CONNECT_S) as line:
        if not broker.tls:
            return
        context = client_context(
            broker.ca_file, broker.cert_file, broker.key_file, whose="the broker"
        )
        with context.wrap_socket(line, server_hostname=broker.host) as tls:
            # Of our certificate TLS 1.3 judges after the greeting, and is silent if it is good.
            tls.settimeout(_REFUSAL_S)
            with suppress(TimeoutError):
                tls.recv(1)


def _secrets(broker: BrokerConfig) -> Iterator[Finding]:
    for path in (broker.password_file, broker.key_file):
        if path is not None and _is_there(path) and path.stat().st_mode & READABLE_BY_OTHERS:
            yield Finding("warning", f"{path} is readable by others", f"chmod 600 {path}")
    if not broker.tls and broker.host not in {"localhost", "127.0.0.1", "::1"}:
        yield Finding("warning", "the broker is reached without TLS", "[broker] tls = true")


def _own_name(device_id: str, broker: BrokerConfig) -> Iterator[Finding]:
    """Our broker lets a device speak under its certificate's name only, and drops all else."""
    if not broker.tls or broker.cert_file is None or broker.username is not None:
        return
    try:
        name = common_name(broker.cert_file)
    except ConfigError:  # told already: the greeting needed it
        return
    if name != device_id:
        what = f"device_id is {device_id}, but {broker.cert_file} is the certificate of {name}"
        fix = f'device_id = "{name}": a broker with our rules takes nothing of {device_id}'
        yield Finding("broken", what, fix)


def order_findings(config: AgentConfig) -> Iterator[Finding]:
    """Look at the key of the centre: without it nobody there can let a host go."""
    path = config.commands.public_key_file
    if path is None:
        if config.broker.host:
            what = "no key of the centre: its commands, lifting an isolation too, are not obeyed"
            fix = "[commands] public_key_file: docs/operations.md, By hand, from the centre"
            yield Finding("warning", what, fix)
        return
    kept = kept_as(path)
    try:
        read_public_key(kept if kept and not _is_there(path) else path)
    except ConfigError as error:
        fix = "docs/operations.md, By hand, from the centre"
        yield Finding("broken", f"[commands] public_key_file: {error}", fix)
    else:
        yield Finding("fine", "obeys the centre's commands")
