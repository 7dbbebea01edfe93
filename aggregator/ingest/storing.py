"""Messages to statements: one transaction for everything that a batch brought."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from aggregator.ingest.reading import Numbered, Present
from aggregator.store.alerts import NONE_KNOWN, AlertKey, KnownAlert, look_from_ns, save_alerts
from aggregator.store.commands import move_commands
from aggregator.store.counts import MAX_COUNT, MINUTE_NS, CountKey, note
from aggregator.store.database import Statement
from aggregator.store.devices import (
    Heard,
    save_device_health,
    save_heard,
    save_models,
    save_presence,
)
from aggregator.store.health import save_health
from aggregator.store.incidents import gather_told
from aggregator.store.isolations import save_isolations
from aggregator.store.packets import save_packets
from aggregator.store.rejects import Reject, save_rejects
from aggregator.store.reported import Reported, latest
from aggregator.store.telemetry import save_logs, save_readings
from aggregator.store.usage import Told, add_usage
from aggregator.store.verdicts import save_verdicts
from aggregator.store.watermarks import Boot, Mark, save_marks
from contract.messages import (
    Alert,
    CommandAck,
    Health,
    Isolation,
    LogLines,
    Message,
    ModelsHave,
    PacketSample,
    Presence,
    Readings,
    VerdictBatch,
)

M = TypeVar("M", bound=Message)

AnyReported = Reported[Message]


def of_kind(reported: Sequence[AnyReported], kind: type[M]) -> list[Reported[M]]:
    """Return those reports whose message is of one kind."""
    return [
        Reported(
            item.organization,
            item.device_id,
            item.boot,
            item.received_ns,
            item.message,
            item.clock_offset_ns,
        )
        for item in reported
        if isinstance(item.message, kind)
    ]


def statements_for(
    reported: Sequence[AnyReported],
    known: Mapping[AlertKey, KnownAlert] = NONE_KNOWN,
    community_id_seed: int = 0,
) -> Iterator[Statement]:
    """Yield what stores some reports, except that their senders were heard.

    Args:
        reported: What they are.
        known: The alerts with their ids that are stored.
        community_id_seed: What other tools of the network name flows with.
    """
    if health := of_kind(reported, Health):
        yield save_health(health)
        yield save_device_health(health)
    if models := of_kind(reported, ModelsHave):
        yield save_models(models)
    if alerts := of_kind(reported, Alert):
        yield from save_alerts(alerts, known, community_id_seed)
        yield from gather_told(look_from_ns(alerts, known))
    if isolations := of_kind(reported, Isolation):
        yield save_isolations(isolations)
    if packets := of_kind(reported, PacketSample):
        yield save_packets(packets)
    if acks := of_kind(reported, CommandAck):
        yield move_commands(acks)
    if verdicts := of_kind(reported, VerdictBatch):
        yield from save_verdicts(verdicts)
    yield from map(save_logs, of_kind(reported, LogLines))
    yield from map(save_readings, of_kind(reported, Readings))


def lost_by_sender(
    moved: Mapping[Boot, Mark], stored: Mapping[Boot, Mark]
) -> dict[tuple[str, str], int]:
    """Return how many messages each device lost, of those whose boots came further."""
    lost: dict[tuple[str, str], int] = {}
    for boot, mark in moved.items():
        before = stored[boot].lost if boot in stored else 0
        sender = (boot.organization, boot.device_id)
        lost[sender] = min(lost.get(sender, 0) + mark.lost - before, MAX_COUNT)
    return lost


def marks_and_senders(
    moved: Mapping[Boot, Mark], heard: Sequence[Heard], now_ns: int
) -> Iterator[Statement]:
    """Yield what notes how far boots came, that devices were heard, and what they lost."""
    if heard:
        yield save_heard(heard, now_ns)
    if moved:
        yield save_marks(moved, now_ns)


def frames_of(
    moved: Mapping[Boot, Mark], stored: Mapping[Boot, Mark], now_ns: int
) -> Iterator[Statement]:
    """Yield what counts the frames that boots told of beyond what they had told before."""
    minute_ns = now_ns // MINUTE_NS * MINUTE_NS
    counts = Counter[CountKey]()
    for boot, mark in moved.items():
        before = stored[boot].frames if boot in stored else 0
        counts[CountKey(minute_ns, boot.organization, boot.device_id)] += mark.frames - before
    if told := +counts:
        yield note("frames", told)


def usage_of(taken: Sequence[Numbered], now_ns: int) -> Iterator[Statement]:
    """Yield what notes how much the devices of each organization told."""
    told: dict[str, Told] = {}
    for item in taken:
        before = told.get(item.boot.organization, Told(0, 0))
        told[item.boot.organization] = Told(
            before.messages + 1, before.payload_bytes + len(item.arrival.payload)
        )
    if told:
        yield add_usage(told, now_ns)


def presences(present: Sequence[Present]) -> Iterator[Statement]:
    """Yield what notes who is there."""
    newest: list[Reported[Presence]] = latest([item.reported for item in present])
    retained = {id(item.reported) for item in present if item.retained}
    if newest:
        yield save_presence(newest, just_now=[id(item) not in retained for item in newest])


def rejects(refused: Sequence[Reject]) -> Iterator[Statement]:
    """Yield what keeps payloads that could not be taken."""
    if refused:
        yield from save_rejects(refused)
