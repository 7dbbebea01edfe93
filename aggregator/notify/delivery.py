"""How a notice gets to whom: by a signed webhook, or by a service."""

import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import msgspec

from aggregator.config import NotificationsConfig
from aggregator.notify.address import Address, closed, opened
from aggregator.notify.services import Services
from aggregator.notify.targets import Targets
from aggregator.notify.webhook import Webhooks
from aggregator.notify.wording import Notice, note
from aggregator.pace import Pace
from aggregator.seal import Seal
from aggregator.store.channels import ChannelKind

THREADS = 8


class Sealed(Protocol):
    """A channel of an organization, as it is kept."""

    @property
    def kind(self) -> ChannelKind:
        """What carries it."""

    @property
    def sealed(self) -> bytes:
        """Its address."""


class Delivery:
    """Carries notices.

    Args:
        config: Where to, at most.
        seal: Opens the addresses of channels.
    """

    def __init__(self, config: NotificationsConfig, seal: Seal) -> None:
        self.testing = Pace(burst=5, per_s=0.1)  # by organization
        self._seal = seal
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="notify")
        self._targets = Targets(config, threads)
        self._webhooks = Webhooks(self._targets, ssl.create_default_context())
        self._services = Services(config, self._targets, threads)

    async def check(self, kind: ChannelKind, url: str) -> str:
        """Return what of an address may be shown.

        Raises:
            InvalidError: It is none, or the settings do not allow it.
            DeliveryError: Its host is unknown, or not one that we may connect to.
        """
        if kind == "service":
            return await self._services.check(url)
        to = self._targets.destination(url)
        await self._targets.addresses(to.host, to.port)
        return f"{'https' if to.tls else 'http'}://{to.host}:{to.port}"

    def sealed(self, organization: str, address: Address) -> bytes:
        """Return an address as it is kept."""
        return closed(self._seal, organization, address)

    async def deliver(self, channel: Sealed, notice: Notice) -> None:
        """Carry a notice to a channel; return when it was taken.

        Raises:
            InvalidError: The settings do not allow its address any more.
            DeliveryError: It was not taken.
        """
        address = opened(self._seal, notice.organization, channel.sealed)
        if channel.kind == "service":
            await self._services.tell(address.url, note(notice))
            return
        body = msgspec.json.encode(notice)
        await self._webhooks.post(address.url, address.secret, notice.id, body)
