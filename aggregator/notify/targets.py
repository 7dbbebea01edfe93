"""Where notifications may go: to public addresses over TLS, unless the settings allow more."""

import asyncio
import ipaddress
import re
import socket
from concurrent.futures import Executor
from typing import Final
from urllib.parse import urlsplit

import msgspec

from aggregator.addresses import METADATA, meant
from aggregator.config import NotificationsConfig
from aggregator.errors import DeliveryError, InvalidError

MAX_URL_CHARACTERS: Final = 2000
PLAIN: Final = re.compile(r"[!-~]+\Z")  # no spaces, no line ends: nothing that ends a header
PORTS: Final = {"https": 443, "http": 80}
# Nearer than the Internet, though Python calls some of them global: NAT64 of a network's own, what
# was site-local, and IPv4 addresses as IPv6 once wrote them.
NEAR: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "fec0::/10", "::/96")))


class Destination(msgspec.Struct, frozen=True):
    """Where a webhook is posted."""

    host: str
    port: int
    tls: bool
    path: str  # with its query


class Targets:
    """Knows where we may connect to on behalf of an admin, who is not always the box's owner.

    Args:
        config: What is allowed beyond the usual.
        threads: Where names are looked up.
    """

    def __init__(self, config: NotificationsConfig, threads: Executor) -> None:
        self._config = config
        self._threads = threads

    def destination(self, url: str) -> Destination:
        """Return the parts of a webhook's address.

        Raises:
            InvalidError: It is none, or one that the settings do not allow.
        """
        if len(url) > MAX_URL_CHARACTERS or not PLAIN.match(url):
            message = "url: printable ASCII characters, at most 2,000, are expected"
            raise InvalidError(message)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            message = f"url: {error}"
            raise InvalidError(message) from error
        if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
            message = "url: https://host/path without a user is expected"
            raise InvalidError(message)
        self.check_transport(tls=parts.scheme == "https")
        path = parts.path or "/"
        return Destination(
            host=parts.hostname,
            port=port or PORTS[parts.scheme],
            tls=parts.scheme == "https",
            path=f"{path}?{parts.query}" if parts.query else path,
        )

    def check_transport(self, *, tls: bool) -> None:
        """Refuse what everybody on the way could read.

        Raises:
            InvalidError: It is not encrypted, and the settings do not allow that.
        """
        if not tls and not self._config.allow_plain:
            message = "url: must be encrypted, unless [notifications] allow_plain is set"
            raise InvalidError(message)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host; the caller connects to one of these and to no other.

        Raises:
            DeliveryError: There is no such host, or one of its addresses is not public; final
                in the second case.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            message = f"{host}: no such host"
            raise DeliveryError(message) from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        if not self._config.allow_private and not all(map(is_public, addresses)):
            message = f"{host}: not a public address; see [notifications] allow_private"
            raise DeliveryError(message, final=True)
        return addresses


def is_public(text: str) -> bool:
    """Return whether an address is one of the whole Internet, and of nothing nearer."""
    address = meant(text)
    if address in METADATA or (
        isinstance(address, ipaddress.IPv6Address)
        and (address.teredo is not None or any(address in network for network in NEAR))
    ):
        return False
    return address.is_global and not address.is_multicast
