"""/api/v1/gaps and /metrics: what did not arrive, what was refused, what waits."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from aggregator.api.health import AskBroker
from aggregator.api.identity import ApiRequest
from aggregator.api.intake import Intake
from aggregator.api.paging import Limit, Skip, paged
from aggregator.export.exporter import Exporter, OutputState
from aggregator.live import LiveFeed
from aggregator.shapes import NS_PER_S, rfc3339
from aggregator.store.archive import Archive
from aggregator.store.channels import ChannelRow, find_channels
from aggregator.store.database import Database
from aggregator.store.devices import DeviceRow, Page, count_devices, find_devices
from aggregator.store.gaps import GapRow, find_gaps
from aggregator.store.room import Room

MEDIA_TYPE = "text/plain; version=0.0.4"  # the framework adds the character set
MAX_DEVICES = 10_000
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))

AskIngest = Callable[[], Mapping[str, int]]
Labels = Mapping[str, str]
Sample = tuple[Labels, float]
Row = TypeVar("Row", GapRow, DeviceRow)


class Gap(msgspec.Struct, frozen=True):
    """What is missing of one device."""

    device_id: str
    lost: int  # messages that it gave up before they arrived
    queued: int  # messages that it holds, by its last report
    oldest_s: int  # how old these are at most
    refused: int  # messages that could not be taken, of those that GET /rejects has
    reported_at: str | None
    words: str


@get("/gaps", tags=["devices"])
async def gaps(
    request: ApiRequest,
    database: NamedDependency[Database],
    limit: Limit = 100,
    skip: Skip = 0,
) -> Response[list[Gap]]:
    """Return for each device what it told and we do not have; X-Total-Count says how many there are."""
    organization = request.user.organization
    rows = await find_gaps(database, organization, limit=limit, skip=skip)
    now_ns = time.time_ns()
    return paged([_gap(row, now_ns) for row in rows], await count_devices(database, organization))


@get("/metrics", tags=["system"], media_type=MEDIA_TYPE)
async def metrics(  # noqa: PLR0913  one for each part that counts
    request: ApiRequest,
    *,
    database: NamedDependency[Database],
    archive: NamedDependency[Archive],
    live: NamedDependency[LiveFeed],
    room: NamedDependency[Room],
    ask_broker: NamedDependency[AskBroker],
    ask_ingest: NamedDependency[AskIngest],
    exporter: NamedDependency[Exporter],
    intake: NamedDependency[Intake],
) -> str:
    """Return counters in the text format of Prometheus.

    Devices, notifications, exports and the archive are those of the organization; what came in and
    was refused, who watches, the broker and the disk are of the whole installation.
    """
    organization = request.user.organization
    now_ns = time.time_ns()
    page = Page(limit=MAX_DEVICES)
    rows = await find_gaps(database, organization, limit=MAX_DEVICES)
    known = await find_devices(database, organization, now_ns=now_ns, page=page)
    parts = await archive.parts(organization)
    outcomes = dict(ask_ingest())
    lines = [
        *_family("ingest_batches_total", "transactions", [({}, outcomes.pop("batches"))]),
        *_family(
            "ingest_boots_forgotten_total",
            "beyond what is kept of a device",
            [({}, outcomes.pop("boots_forgotten"))],
        ),
        *_family(
            "ingest_unannounced_total",
            "transactions that were stored and could not be told live",
            [({}, outcomes.pop("unannounced"))],
        ),
        *_family(
            "ingest_messages_total",
            "messages since the start, by what became of them",
            [({"outcome": name}, count) for name, count in outcomes.items()],
        ),
        *_family(
            "http_refused_total",
            "what was sent to be kept, or by devices, and was not taken in",
            [({"why": why}, n) for why, n in msgspec.structs.asdict(intake.refused).items()],
        ),
        *_family("broker_connected", "0 or 1", [({}, ask_broker().connected)]),
        *_family("disk_has_room", "0: nothing is taken in", [({}, room.is_enough())]),
        *_family(
            "logs_set_aside",
            "write-ahead logs that could not be read, until their files are taken away",
            [({}, database.logs_set_aside())],
        ),
        *_family("live_watchers", "open WebSockets, and exports", [({}, live.watchers)]),
        *_family(
            "archive_bytes", "of Parquet files", [({}, sum(part.file_bytes for part in parts))]
        ),
        *_of_devices(rows, now_ns),
        *_of_presence(known),
        *_of_channels(await find_channels(database, organization, Page())),
        *_of_exports(exporter.states(organization)),
    ]
    return "\n".join(lines) + "\n"


def _of_devices(rows: Sequence[GapRow], now_ns: int) -> list[str]:
    oldest_s = _each(rows, lambda row: row.oldest_ns(now_ns) / NS_PER_S)
    return [
        *_family(
            "device_lost_messages_total", "given up unsent", _each(rows, lambda row: row.lost)
        ),
        *_family(
            "device_queued_messages", "by its last report", _each(rows, lambda row: row.queued)
        ),
        *_family("device_oldest_queued_seconds", "at most", oldest_s),
        *_family(
            "device_refused_messages",
            "could not be taken, of the newest 10000 that are kept",
            _each(rows, lambda row: row.refused),
        ),
    ]


def _of_presence(rows: Sequence[DeviceRow]) -> list[str]:
    meaning = "1: for five minutes its model or mode has not been what it is to be"
    drifting = _each(rows, lambda row: row.drifting_ns is not None)
    return [
        *_family("device_online", "0 or 1", _each(rows, lambda row: row.status != "offline")),
        *_family("device_drifting", meaning, drifting),
    ]


def _each(rows: Sequence[Row], value: Callable[[Row], float]) -> list[Sample]:
    return [({"device": row.device_id}, value(row)) for row in rows]


def _of_channels(rows: Sequence[ChannelRow]) -> list[str]:
    outcomes = [
        ({"channel": str(row.id), "outcome": outcome}, getattr(row, outcome))
        for row in rows
        for outcome in ("sent", "failed", "dropped", "withheld")
    ]
    waiting = [({"channel": str(row.id)}, row.queued) for row in rows]
    return [
        *_family("notifications_total", "by what became of them", outcomes),
        *_family("notifications_queued", "by channel", waiting),
    ]


def _of_exports(states: Sequence[OutputState]) -> list[str]:
    outcomes = [
        ({"export": str(state.number), "outcome": outcome}, getattr(state, outcome))
        for state in states
        for outcome in ("sent", "dropped")
    ]

    def each(value: Callable[[OutputState], float]) -> list[Sample]:
        return [({"export": str(state.number)}, value(state)) for state in states]

    return [
        *_family("export_events_total", "by what became of them", outcomes),
        *_family("export_queued", "by output", each(lambda state: state.queued)),
        *_family("export_failing", "0 or 1", each(lambda state: state.last_error is not None)),
    ]


def _family(name: str, meaning: str, samples: Sequence[Sample]) -> list[str]:
    kind = "counter" if name.endswith("_total") else "gauge"
    return [
        f"# HELP edgewarden_{name} {meaning}",
        f"# TYPE edgewarden_{name} {kind}",
        *(f"edgewarden_{name}{_labels(labels)} {value:.15g}" for labels, value in samples),
    ]


def _labels(labels: Labels) -> str:
    # Names of devices are letters, digits, - and _ (contract.identifiers): nothing to escape.
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _gap(row: GapRow, now_ns: int) -> Gap:
    oldest_s = row.oldest_ns(now_ns) // NS_PER_S
    oldest = f", oldest {_words(oldest_s)}" if oldest_s else ""
    refused = f", {row.refused:,} refused" if row.refused else ""
    return Gap(
        device_id=row.device_id,
        lost=row.lost,
        queued=row.queued,
        oldest_s=oldest_s,
        refused=row.refused,
        reported_at=None if row.reported_ns is None else rfc3339(row.reported_ns),
        words=f"{row.device_id}: {row.lost:,} lost, {row.queued:,} queued{oldest}{refused}",
    )


def _words(seconds: int) -> str:
    length, unit = next((item for item in UNITS if seconds >= item[0]), UNITS[-1])
    return f"{seconds // length} {unit}"
