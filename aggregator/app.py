"""Puts the aggregator together: database, broker, ingest and web server live and die as one."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import uvicorn
from litestar import Litestar

from aggregator.accounts import ensure_admin
from aggregator.api.app import Parts, create_api
from aggregator.api.authenticator import Authenticator, signing_key
from aggregator.api.authorization import AuthorizationCodes, code_key
from aggregator.api.calls import Calls
from aggregator.api.connection import UNREAD_S, BoundedHttp, BoundedSocket
from aggregator.api.envelope import Envelope
from aggregator.api.health import BrokerState
from aggregator.api.identity import Guest
from aggregator.broker.own import HOST, OwnBroker, find_mosquitto, own_broker
from aggregator.broker_access import BrokerAccess
from aggregator.commands.commander import Commander
from aggregator.commands.convergence import Convergence
from aggregator.commands.signing import load_signer
from aggregator.config import AggregatorConfig, HttpConfig
from aggregator.decisions import Decisions
from aggregator.errors import StoreError
from aggregator.export.exporter import Exporter
from aggregator.home_assistant.bridge import HomeAssistant
from aggregator.ingest.service import Ingest
from aggregator.live import LiveFeed
from aggregator.notify.address import KEY_FILE as CHANNELS_KEY
from aggregator.notify.delivery import Delivery
from aggregator.notify.notifier import Notifier
from aggregator.presence import PresenceKeeper
from aggregator.sandbox.runner import Sandbox
from aggregator.seal import load_seal
from aggregator.shell.recording import FOLDER, Recordings
from aggregator.shell.shells import KEY_FILE as SHELLS_KEY
from aggregator.shell.shells import Shells
from aggregator.store.archive import Archive
from aggregator.store.backups import Backups
from aggregator.store.counts import Counts
from aggregator.store.database import Database, seek_no_pandas
from aggregator.store.evidence import EvidenceFiles
from aggregator.store.history import History
from aggregator.store.models import ModelFiles
from aggregator.store.retention import Retention
from aggregator.store.room import Room
from aggregator.store.users import count_users
from aggregator.uncovering import Uncovering
from aggregator.wall import Wall
from runtime.config import BrokerConfig
from runtime.errors import ConfigError
from runtime.paho_tables import build_tables_once
from runtime.systemd import notify, watchdog_interval_s

log = logging.getLogger(__name__)

DEFAULT_BROKER_PORT = 1883
GRACE_S = 3
MAX_SOCKET_MESSAGE_BYTES = 64 * 1024
MAX_CONNECTIONS = 2000
# How long a thread that has something to compute may have to wait for another that computes. The
# threads of the database ask for the GIL a dozen times a transaction: with Python's 5 ms, each time
# the event loop is busy, one with twenty alerts takes half as long again.
SWITCH_S = 0.0005
COLLECT_AFTER = 10_000  # objects: a batch is garbage without cycles, which needs no collector


async def serve(config: AggregatorConfig, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, or until any part fails.

    Args:
        config: All settings.
        tell: Shows a line to the person who started us.

    Raises:
        ProcessError: A part cannot start.
        ExceptionGroup: A part has failed for good.
    """
    stop = _told_to_stop()
    _prepare_process()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listen(config.http))
        database = await stack.enter_async_context(Database(config.store.path))
        await ensure_admin(database, config.auth.organization, tell)
        authenticator = Authenticator(database, config.auth, signing_key(config.store.path))
        broker, own = await stack.enter_async_context(_broker(config))
        calls = Calls(database)
        archive = Archive(database)
        await archive.open()
        sandbox = Sandbox(database, archive, config.query)
        room = Room(config.store.path, config.store.min_free_bytes)
        retention = Retention(database, archive, config.store, room)
        live = LiveFeed()
        wall = Wall(database, live)
        presence = PresenceKeeper(database, live)
        signer = load_signer(config.store.path)
        commander = Commander(database, live, signer, config.commands)
        convergence = Convergence(database, commander)
        model_files = ModelFiles(config.store.path)
        await model_files.tidy(database)
        evidence = EvidenceFiles(database, config.store)
        ingest = Ingest(
            database,
            live,
            presence,
            commander,
            room=room,
            evidence=evidence,
            community_id_seed=config.alerts.community_id_seed,
        )
        access = await _broker_access(database, config)
        config.enrolment.authority()  # said now, not when the first device comes
        delivery = Delivery(config.notifications, load_seal(config.store.path / CHANNELS_KEY))
        exporter = Exporter(database, live, config.exports)
        home_assistant = HomeAssistant(database, config.home_assistant, config.store.path)
        recordings = Recordings(database, config.store.path / FOLDER)
        await recordings.settle()
        name = own.kind if own is not None else broker.host
        parts = Parts(
            database=database,
            live=live,
            authenticator=authenticator,
            calls=calls,
            http=config.http,
            auth=config.auth,
            enrolment=config.enrolment,
            ask_broker=lambda: BrokerState(ingest.connected, name),
            wall=wall,
            presence=presence,
            commander=commander,
            convergence=convergence,
            models=config.models,
            model_files=model_files,
            delivery=delivery,
            codes=AuthorizationCodes(database, code_key(config.store.path)),
            guests=_guests(config),
            sandbox=sandbox,
            room=room,
            backups=Backups(database, archive, room),
            archive=archive,
            history=History(database, archive),
            evidence=evidence,
            exporter=exporter,
            ask_ingest=lambda: {
                **msgspec.structs.asdict(ingest.counters),
                **msgspec.structs.asdict(evidence.counters),
            },
            shells=Shells(
                database,
                load_seal(config.store.path / SHELLS_KEY),
                config.shell,
                config.auth.organization,
            ),
            recordings=recordings,
            shell=config.shell,
        )
        server = uvicorn.Server(_server_config(create_api(parts), config.http))
        async with asyncio.TaskGroup() as tasks:
            background = [
                # First: what reads or writes meanwhile waits for it, or it for them.
                tasks.create_task(_empty_log(database, room), name="empty_log"),
                tasks.create_task(ingest.run(broker), name="ingest"),
                tasks.create_task(ingest.tell_incidents(), name="incidents"),
                tasks.create_task(presence.run(), name="presence"),
                tasks.create_task(Counts(database, room).run(), name="counts"),
                tasks.create_task(retention.run(), name="retention"),
                tasks.create_task(evidence.run(), name="evidence"),
                tasks.create_task(commander.expire(), name="commands"),
                tasks.create_task(Decisions(database, live).run(), name="decisions"),
                tasks.create_task(Uncovering(database, live).run(), name="suppressions"),
                tasks.create_task(convergence.run(), name="desired"),
                tasks.create_task(calls.run(), name="calls"),
                tasks.create_task(Notifier(database, delivery).run(), name="notifications"),
                tasks.create_task(exporter.run(), name="exports"),
                tasks.create_task(home_assistant.run(), name="home_assistant"),
                tasks.create_task(_feed_watchdog(database), name="watchdog"),
                tasks.create_task(_stop(stop, server, sandbox), name="stop"),
            ]
            if config.wall.demo:
                demonstration = wall.make_up_alerts(config.auth.organization)
                background.append(tasks.create_task(demonstration, name="demonstration"))
            if access is not None:
                background.append(tasks.create_task(access.run(), name="broker_access"))
            if own is not None:
                background.append(tasks.create_task(own.supervise(), name="broker"))
            _settle_memory()
            _tell_ready({"url": _url(listener), "broker": name, "broker_port": broker.port})
            await server.serve(sockets=[listener])
            notify("STOPPING=1")
            for task in background:
                task.cancel()


def _prepare_process() -> None:
    sys.setswitchinterval(SWITCH_S)
    seek_no_pandas()
    build_tables_once()
    for name in ("uvicorn", "asyncssh"):  # what they say else, we say better
        logging.getLogger(name).setLevel(logging.WARNING)


def _tell_ready(where: dict[str, object]) -> None:
    log.info("serving", extra=where)
    notify("READY=1")


def _settle_memory() -> None:
    # What there is by now stays: to look through it again and again holds everybody up for 100 ms.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


@asynccontextmanager
async def _broker(
    config: AggregatorConfig,
) -> AsyncIterator[tuple[BrokerConfig, OwnBroker | None]]:
    if config.broker.host:
        yield config.broker, None
        return
    port = config.broker.port or DEFAULT_BROKER_PORT
    async with own_broker(port, config.store.path, find_mosquitto()) as own:
        yield BrokerConfig(host=HOST, port=port, keepalive_s=config.broker.keepalive_s), own


async def _broker_access(database: Database, config: AggregatorConfig) -> BrokerAccess | None:
    if config.enrolment.broker_files is None:
        return None
    access = BrokerAccess(database, config.enrolment.broker_files, config.broker)
    await access.write()
    return access


def _guests(config: AggregatorConfig) -> dict[str, Guest]:
    guest = Guest(config.auth.organization)
    places = {"wall": config.wall.open, "device_events": config.device_events.open}
    return {place: guest for place, is_open in places.items() if is_open}


def _listen(http: HttpConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    try:
        listener = socket.create_server((http.host, http.port), family=family)
    except OSError as error:
        message = (
            f"{http.host} port {http.port}: {error.strerror};"
            " set EDGEWARDEN_HTTP__HOST and EDGEWARDEN_HTTP__PORT to where to serve"
        )
        raise ConfigError(message) from error
    # Every connection has it from here: asyncio sets it only where a socket says that it is TCP.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Also where what waits is too little to be waited for, or the connection is closed already.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_S * 1000))
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server_config(api: Litestar, http: HttpConfig) -> uvicorn.Config:
    return uvicorn.Config(
        Envelope(api, http.max_request_s),
        http=BoundedHttp,
        forwarded_allow_ips=list(http.trusted_proxies),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_S,
        ws=BoundedSocket,
        ws_per_message_deflate=False,  # each watcher's copy would be compressed by itself: half of the CPU
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
    )


def _told_to_stop() -> asyncio.Event:
    # uvicorn takes the signals while it serves and raises them once more when it is done; without
    # handlers of our own that would end us before database and broker are closed.
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


async def _stop(told: asyncio.Event, server: uvicorn.Server, sandbox: Sandbox) -> None:
    await told.wait()
    server.should_exit = True
    sandbox.close()


async def _empty_log(database: Database, room: Room) -> None:
    if not room.is_enough():
        return
    try:
        await database.empty_log()
    except StoreError as error:  # it stays where it is, and whoever writes meets what is wrong
        log.warning("log_not_emptied", extra={"why": str(error)})


async def _feed_watchdog(database: Database) -> None:
    interval_s = watchdog_interval_s()
    while interval_s is not None:
        # Both kinds of database threads have to answer, or we are restarted.
        await database.write()
        await count_users(database)
        notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)
