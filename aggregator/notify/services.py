"""The services that apprise knows: those which the settings name, without what reaches further."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Final, ParamSpec, TypeVar

import apprise
import msgspec
from apprise.plugins import url_to_dict

from aggregator.config import NotificationsConfig
from aggregator.errors import DeliveryError, InvalidError
from aggregator.notify.targets import Targets

TIMEOUT_S: Final = 30.0
# What may stand behind the `?` of an address. Others read files, turn off the checking of
# certificates, follow redirects or wait for ever.
PARAMETERS: Final = frozenset(
    {
        *("to", "cc", "bcc", "from", "reply", "name", "smtp", "user", "pass", "mode"),
        *("priority", "sound", "topic", "thread", "tags", "region", "format"),
    }
)
UNENCRYPTED: Final = "insecure"  # how apprise calls mail without TLS
HEADERS: Final = ("qsd+", "qsd-", "qsd:")  # what `?+name=` and the like become

P = ParamSpec("P")
T = TypeVar("T")

# They write addresses with tokens and passwords into the log; what failed, we say.
for name in ("apprise", "urllib3", "requests"):
    logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class Note(msgspec.Struct, frozen=True):
    """What a person reads."""

    title: str
    text: str


class Services:
    """Tells services that apprise knows.

    Args:
        config: Which services there are.
        targets: Knows where we may connect to.
        threads: Where apprise, which waits, may do so.
    """

    def __init__(self, config: NotificationsConfig, targets: Targets, threads: Executor) -> None:
        self._config = config
        self._targets = targets
        self._threads = threads
        self._asset = apprise.AppriseAsset(
            async_mode=False,
            service_timeout=0,  # ours counts
            http_redirects=False,
            allow_templates=False,
            pgp_autogen=False,
            pem_autogen=False,
            storage_mode=apprise.PersistentStoreMode.MEMORY,
            app_id="Edgewarden",
        )

    async def check(self, url: str) -> str:
        """Return which service an address is of.

        Raises:
            InvalidError: It is none, or one that the settings do not allow.
            DeliveryError: Its host is not one that we may connect to.
        """
        service = await self._in_thread(self._service, url)
        await self._check_host(service)
        return str(url.partition(":")[0].lower())

    async def tell(self, url: str, note: Note) -> None:
        """Tell a service; return when it has taken it.

        Raises:
            InvalidError: The settings do not allow the address any more.
            DeliveryError: It was not taken.
        """
        schema = url.partition(":")[0]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                service = await self._in_thread(self._service, url)
                await self._check_host(service)
                taken = await self._in_thread(self._notify, service, note)
        except TimeoutError as error:
            message = f"{schema} did not answer within {TIMEOUT_S:.0f} s"
            raise DeliveryError(message) from error
        if not taken:
            message = f"{schema} did not take it: is its address right, and its token valid?"
            raise DeliveryError(message)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # Apprise reads 190 modules when it is first used, and waits for whom it tells.
        call = partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _notify(self, service: apprise.NotifyBase, note: Note) -> bool:
        # Through the collection, which catches whatever one of 190 services may raise.
        services = apprise.Apprise(asset=self._asset)
        services.add(service)
        return bool(services.notify(body=note.text, title=note.title))

    def _service(self, url: str) -> apprise.NotifyBase:
        parts = url_to_dict(url)  # type: ignore[no-untyped-call]
        schema = url.partition(":")[0].lower()
        if parts is None or parts.get("schema") != schema:
            message = "url: not an address of a service (slack://…, mailtos://…, ntfys://…)"
            raise InvalidError(message)
        if schema not in self._config.services:
            message = f"url: {schema} is not among [notifications] services"
            raise InvalidError(message)
        extra = parts.get("qsd", {}).keys() - PARAMETERS
        if extra or any(parts.get(kind) for kind in HEADERS):
            message = "url: behind the ? are only allowed " + ", ".join(sorted(PARAMETERS))
            raise InvalidError(message)
        service = apprise.Apprise.instantiate(parts, asset=self._asset)
        if service is None:
            message = f"url: {schema} cannot be used like this"
            raise InvalidError(message)
        if _host(service):
            insecure = getattr(service, "secure_mode", "") == UNENCRYPTED
            self._targets.check_transport(tls=bool(service.secure) and not insecure)
        return service

    async def _check_host(self, service: apprise.NotifyBase) -> None:
        if host := _host(service):
            await self._targets.addresses(host, service.port or 443)


def _host(service: apprise.NotifyBase) -> str:
    """Return the host that a person chose; "" where the service has its own."""
    templates: tuple[str, ...] = service.templates
    if not any("{host}" in template for template in templates):
        return ""
    return str(getattr(service, "smtp_host", "") or service.host or "")
