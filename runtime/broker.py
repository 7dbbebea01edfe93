"""The connection to the MQTT broker: TLS, identity, a session that survives, typed errors."""

import asyncio
import functools
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from runtime.config import BrokerConfig
from runtime.credentials import unreadable
from runtime.errors import BrokerError, ConfigError, first_of
from runtime.gathering_socket import GatheringSocket, RestingLoop
from runtime.tls import client_context

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 10.0
GREETING_TIMEOUT_S = 3.0  # for MQTT 5, after TCP and TLS; then 3.1.1 has its turn
GOODBYE_TIMEOUT_S = 2.0
SESSION_EXPIRY_S = 24 * 3600
MAX_IN_FLIGHT = 64
MAX_QUEUED_INCOMING = 1000
UNSUPPORTED_PROTOCOL = (1, 132)  # as MQTT 3.1.1 and as MQTT 5 say it
READABLE_BY_OTHERS = 0o077

T = TypeVar("T")


@asynccontextmanager
async def connect(  # noqa: PLR0913  a connection has so many sides
    config: BrokerConfig,
    *,
    client_id: str,
    will: aiomqtt.Will | None = None,
    clean: bool = False,
    max_queued_incoming: int = MAX_QUEUED_INCOMING,
    queue_type: type[asyncio.Queue[aiomqtt.Message]] | None = None,
) -> AsyncIterator[aiomqtt.Client]:
    """Connect for the length of the block; MQTT 5, or 3.1.1 where the broker refuses that.

    Every call makes a fresh client, since one that is entered twice keeps stale message ids. The
    session at the broker is kept all the same, unless `clean` is set.

    Args:
        config: Where the broker is and who we are.
        client_id: The name of the session.
        will: What the broker publishes when we vanish.
        clean: Start with an empty session.
        max_queued_incoming: Incoming messages that may wait for us. More are discarded although
            the broker was told they arrived: who must not lose any needs receipts of its own.
        queue_type: Where they wait, in which order they are given, and which are discarded;
            None: as they came, and the last.

    Raises:
        BrokerError: The broker cannot be reached, refuses us, or was lost inside the block;
            also where a task group in the block wraps that loss.
        ConfigError: A file that the configuration names cannot be used.
    """
    options = _options(config, client_id, will, max_queued_incoming) | {"queue_type": queue_type}
    try:
        async with AsyncExitStack() as stack:
            client = await _enter(stack, options, clean=clean)
            try:
                yield client
            except asyncio.CancelledError:
                await _leave(stack, client)
                raise
            finally:
                _look_at_loss(client)
    except aiomqtt.MqttError as error:
        raise BrokerError(_why(config, error)) from error
    except BaseExceptionGroup as group:
        lost, others = group.split((aiomqtt.MqttError, BrokerError))
        if lost is None or others is not None:
            raise
        raise BrokerError(_why(config, first_of(lost))) from group


async def publish_at_most_once(
    client: aiomqtt.Client, messages: Sequence[tuple[str, bytes]]
) -> None:
    """Publish payloads to topics, in order, with QoS 0; wait until the last is on its way.

    aiomqtt makes an event and a timeout for each that it publishes; here only the last has them.

    Raises:
        aiomqtt.MqttError: The connection was lost.
    """
    *others, last = messages
    for topic, payload in others:
        told = client._client.publish(topic, payload, qos=0)  # noqa: SLF001
        if told.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(told.rc, "a message could not be published")
    await client.publish(*last, qos=0)


def expiring(after_s: int) -> Properties:
    """Return the properties of a message that the broker drops where it waits for longer (MQTT 5)."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = after_s
    return properties


class _SilenceError(aiomqtt.MqttError):
    pass


class _Client(aiomqtt.Client):
    """aiomqtt's client, whose waits end when they are cancelled, and which asks the kernel seldom.

    It waits with asyncio.wait_for, which before Python 3.12 forgets a cancellation that comes
    together with the answer: the task then runs on, and the program never ends.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  aiomqtt's
        super().__init__(**options)
        paho: Any = self._client
        create: Callable[[], socket.socket] = paho._create_socket  # noqa: SLF001
        paho._create_socket = lambda: GatheringSocket(create(), paho)  # noqa: SLF001
        loop: Any = RestingLoop(self._loop)
        self._loop = loop

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            message = "no answer in time"
            raise _SilenceError(message) from None


async def _enter(stack: AsyncExitStack, options: dict[str, Any], *, clean: bool) -> aiomqtt.Client:
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    session.SessionExpiryInterval = SESSION_EXPIRY_S
    modern = _Client(
        **options,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=clean,
        properties=session,
        timeout=GREETING_TIMEOUT_S,
    )
    try:
        client = await stack.enter_async_context(modern)
    except aiomqtt.MqttError as error:
        if not _does_not_understand(error):
            raise
        older = _Client(
            **options,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=clean,
            timeout=ANSWER_TIMEOUT_S,
        )
        client = await stack.enter_async_context(older)
    client.timeout = ANSWER_TIMEOUT_S
    # aiomqtt warns from ten unanswered calls on, which a window of 64 always has.
    client.pending_calls_threshold = MAX_IN_FLIGHT
    return client


async def _leave(stack: AsyncExitStack, client: aiomqtt.Client) -> None:
    # A broker that does not answer our goodbye must not turn a cancellation into its own error.
    client.timeout = GOODBYE_TIMEOUT_S
    with suppress(aiomqtt.MqttError):
        await stack.aclose()


def _look_at_loss(client: aiomqtt.Client) -> None:
    # aiomqtt keeps the reason of a loss in a future that nobody asks; asyncio would log that.
    lost = client._disconnected  # noqa: SLF001
    if lost.done() and not lost.cancelled():
        lost.exception()


def _does_not_understand(error: aiomqtt.MqttError) -> bool:
    if isinstance(error, aiomqtt.MqttCodeError):
        return _code(error) in UNSUPPORTED_PROTOCOL
    # amqtt takes the properties of MQTT 5 for the length of a name and waits for more.
    return isinstance(error, _SilenceError)


def _options(
    config: BrokerConfig, client_id: str, will: aiomqtt.Will | None, max_queued_incoming: int
) -> dict[str, Any]:
    if not config.host:
        message = "no broker is configured: set `host` in `[broker]`"
        raise ConfigError(message)
    return {
        "hostname": config.host,
        "port": config.port_used,
        "username": config.username,
        "password": _secret(config.password_file),
        "identifier": client_id,
        "will": will,
        "keepalive": config.keepalive_s,
        "tls_context": _context(config) if config.tls else None,
        "max_inflight_messages": MAX_IN_FLIGHT,
        "max_queued_incoming_messages": max_queued_incoming,
        # Small packets one behind the other would each wait for the word on the one before.
        "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    }


def _context(config: BrokerConfig) -> ssl.SSLContext:
    return client_context(config.ca_file, config.cert_file, config.key_file, whose="the broker")


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
        shared = bool(path.stat().st_mode & READABLE_BY_OTHERS)
    except OSError as error:
        message = f"password file of the broker: {unreadable(path, error)}"
        raise ConfigError(message) from error
    except UnicodeDecodeError as error:
        message = f"password file of the broker: {path}: {error}"
        raise ConfigError(message) from error
    if shared:
        _warn_that_others_read(path)
    return secret


@functools.cache  # once for each file, not with every reconnection
def _warn_that_others_read(path: Path) -> None:
    log.warning("secret_readable_by_others", extra={"path": str(path), "wanted_mode": "0600"})


def _code(error: aiomqtt.MqttCodeError) -> int | None:
    return error.rc.value if isinstance(error.rc, ReasonCode) else error.rc


def _why(config: BrokerConfig, error: BaseException) -> str:
    return f"broker {config.host}: {error}"
