"""Verdicts: what agents concluded about each host in each window."""

import array
import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Final, TypeVar

import msgspec

from aggregator.store import arrow
from aggregator.store.counts import MINUTE_NS, NS_PER_S, CountKey, note
from aggregator.store.database import Database, Statement
from aggregator.store.reported import Reported
from contract.identifiers import IP_PATTERN, MAC_PATTERN, fit
from contract.messages import VerdictBatch

BYTES_PER_SCORE = 4
MAX_WINDOW_NS = 3600 * 1_000_000_000
LATEST_NS: Final = 2**63 - 1
LOOKBACKS_NS: Final = tuple(seconds * NS_PER_S for seconds in (3, 60, 3600))
BITS_OF_ONE = 0x3F800000  # 1.0 as a 32-bit float; what lies between 0.0 and it has smaller bits

T = TypeVar("T")

_OF_ROWS: Final[Mapping[str, Callable[..., arrow.Column]]] = {
    "window_start_ns": arrow.integers,
    "host": arrow.texts,
    "src_mac": arrow.texts,
    "src_ip": arrow.texts,
    "dst_ip": arrow.texts,
    "label": arrow.texts,
    "packets": arrow.integers,
    "wire_bytes": arrow.integers,
}
_ADDRESSES: Final = {
    "host": IP_PATTERN,
    "src_mac": MAC_PATTERN,
    "src_ip": IP_PATTERN,
    "dst_ip": IP_PATTERN,
}


class VerdictRow(msgspec.Struct, frozen=True):
    """One verdict as it is kept."""

    device_id: str
    window_start_ns: int
    window_ns: int
    host: str
    src_mac: str | None
    src_ip: str | None
    dst_ip: str | None
    label: str
    confidence: float
    scores: list[float]
    classes: list[str]
    packets: int
    wire_bytes: int
    sampled_one_in: int
    model_id: str


def fault_of(batch: VerdictBatch) -> str | None:
    """Return why the columns of a batch do not fit together, or None when they do."""
    rows = len(batch.host)
    others = (
        batch.window_start_ns,
        batch.src_mac,
        batch.src_ip,
        batch.dst_ip,
        batch.label,
        batch.packets,
        batch.wire_bytes,
    )
    told = len(batch.sampled_one_in) in {0, rows}
    if not told or any(len(column) != rows for column in others):
        return "verdict columns differ in length"
    strange = [
        name for name, pattern in _ADDRESSES.items() if not fit(pattern, getattr(batch, name))
    ]
    if strange:
        return f"verdict {strange[0]} is no address"
    if batch.window_ns > MAX_WINDOW_NS:
        return "verdict windows are longer than an hour"
    if max(batch.window_start_ns, default=0) > LATEST_NS - batch.window_ns:
        return "verdict windows end when no clock shows"
    if len(batch.scores) != rows * len(batch.classes) * BYTES_PER_SCORE:
        return "verdict scores do not fit rows and classes"
    return None if _are_probabilities(batch.scores) else "verdict scores are no probabilities"


class _Judge(msgspec.Struct, frozen=True, gc=False):
    """A device with its model: what is the same for all verdicts of a batch."""

    organization: str
    device_id: str
    model_id: str
    feature_schema_id: str
    classes: str  # with commas
    window_ns: int

    @property
    def judge_id(self) -> int:
        """A number of 64 bits for it: an organization can make only its own ones collide."""
        digest = hashlib.blake2b(msgspec.json.encode(self), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


def save_verdicts(reported: Sequence[Reported[VerdictBatch]]) -> tuple[Statement, ...]:
    """Add batches of verdicts whose columns fit together, and count them.

    They are added all at once: a statement costs more than its rows.
    """
    batches = [item.message for item in reported]
    sizes = [len(batch.host) for batch in batches]
    judges = [_judge(item) for item in reported]
    known = {judge: judge.judge_id for judge in judges}
    rows = {
        name: of_kind(_joined(getattr(batch, name) for batch in batches))
        for name, of_kind in _OF_ROWS.items()
    }
    rows["judge_id"] = arrow.repeated([known[judge] for judge in judges], sizes)
    rows["received_ns"] = arrow.repeated([item.received_ns for item in reported], sizes)
    rows["sampled_one_in"] = arrow.integers(
        _joined(
            batch.sampled_one_in or [1] * size for batch, size in zip(batches, sizes, strict=True)
        )
    )
    rows["scores"] = arrow.float_lists(
        b"".join(batch.scores for batch in batches),
        [len(batch.classes) for batch in batches],
        sizes,
    )
    rows["place"] = arrow.integers(_joined(map(_places, batches)))
    return (
        Statement("save_judges", _columns(_Judge, known) | {"judge_id": [*known.values()]}),
        Statement("save_verdicts", {}, arrow.table(rows)),
        note("verdicts", _counted(reported)),
    )


def _judge(item: Reported[VerdictBatch]) -> _Judge:
    batch = item.message
    return _Judge(
        item.organization,
        item.device_id,
        batch.model_id,
        batch.feature_schema_id,
        ",".join(batch.classes),
        batch.window_ns,
    )


def _counted(reported: Sequence[Reported[VerdictBatch]]) -> Counter[CountKey]:
    counts = Counter[CountKey]()
    for item in reported:
        windows = zip(item.message.window_start_ns, item.message.label, strict=True)
        for (start_ns, label), count in Counter(windows).items():
            minute_ns = start_ns // MINUTE_NS * MINUTE_NS
            counts[CountKey(minute_ns, item.organization, item.device_id, label)] += count
    return counts


def _columns(kind: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> dict[str, object]:
    kept = list(rows)
    return {name: [getattr(row, name) for row in kept] for name in kind.__struct_fields__}


def _places(batch: VerdictBatch) -> list[int]:
    """Return where among the scores each label's is, from 1; 0: it is none of the classes."""
    places = {label: place for place, label in enumerate(batch.classes, 1)}
    return list(map(places.get, batch.label, repeat(0)))


def confidences(batch: VerdictBatch) -> list[float]:
    """Return the score of each verdict's label; what no class explains has the best class's rest."""
    position = {label: index for index, label in enumerate(batch.classes)}
    return [
        row[position[label]] if label in position else 1.0 - max(row)
        for label, row in zip(batch.label, _scores(batch), strict=True)
    ]


def _scores(batch: VerdictBatch) -> list[Sequence[float]]:
    width, flat = len(batch.classes), _floats(batch.scores)
    return [flat[start : start + width] for start in range(0, len(flat), width)]


def _joined(parts: Iterable[Sequence[T]]) -> list[T]:
    return list(chain.from_iterable(parts))


class VerdictFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which verdicts; what is None does not matter."""

    device_id: str | None = None
    host: str | None = None
    label: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class _Count(msgspec.Struct, frozen=True):
    count: int


async def find_verdicts(
    database: Database, organization: str, wanted: VerdictFilter, *, limit: int, skip: int = 0
) -> list[VerdictRow]:
    """Return verdicts of an organization, newest first."""
    sought = _sought(organization, wanted) | {"limit": limit, "skip": skip}
    return await database.read("verdicts", sought, VerdictRow)


async def newest_verdicts(  # noqa: PLR0913  a page of a list has so many parts
    database: Database,
    organization: str,
    wanted: VerdictFilter,
    *,
    now_ns: int,
    limit: int,
    skip: int = 0,
) -> list[VerdictRow]:
    """Do the same, but look at the last moments first: verdicts lie by time on the disk.

    To find the newest hundred among all takes longer with each day that is kept.
    """
    ends_ns = now_ns if wanted.until_ns is None else min(now_ns, wanted.until_ns)
    for lookback_ns in LOOKBACKS_NS:
        since_ns = ends_ns - lookback_ns
        if wanted.since_ns is not None and wanted.since_ns >= since_ns:
            break
        recent = msgspec.structs.replace(wanted, since_ns=since_ns)
        rows = await find_verdicts(database, organization, recent, limit=limit, skip=skip)
        if len(rows) == limit:
            return rows
    return await find_verdicts(database, organization, wanted, limit=limit, skip=skip)


async def count_verdicts(database: Database, organization: str, wanted: VerdictFilter) -> int:
    """Return how many verdicts of an organization there are."""
    rows = await database.read("count_verdicts", _sought(organization, wanted), _Count)
    return rows[0].count


def _sought(organization: str, wanted: VerdictFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)


def _are_probabilities(scores: bytes) -> bool:
    bits = array.array("I", scores)
    if sys.byteorder == "big":
        bits.byteswap()
    if max(bits, default=0) <= BITS_OF_ONE:
        return True
    return all(0.0 <= score <= 1.0 for score in _floats(scores))  # -0.0 is one, NaN is none


def _floats(data: bytes) -> Sequence[float]:
    values = array.array("f", data)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()
