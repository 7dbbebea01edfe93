"""Analytics: the last hours in numbers, and how they went."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from aggregator.store.counts import NS_PER_S, Counted, source_of
from aggregator.store.database import Database
from aggregator.store.history import History
from contract.attacks import AttackType

Metric = Literal["alerts", "detections", "readings"]

_COUNTED: Final[Mapping[Metric, Counted]] = {"alerts": "opened", "detections": "verdicts"}


class SummaryRow(msgspec.Struct, frozen=True):
    """What reached us since a moment beside alerts, and what is in force now."""

    active_isolations: int
    readings: int
    sensors: int
    error_lines: int


class TrendRow(msgspec.Struct, frozen=True):
    """How many from one moment to the next, and the average of readings."""

    start_ns: int
    count: int
    average: float | None


class CostRow(msgspec.Struct, frozen=True):
    """What enforcing would have cost, of one class and group of hosts or of all."""

    attack_type: AttackType | None  # None: all of them
    host_group: str | None  # in the settings of the devices
    cuts: int
    judged_false: int  # cuts for alerts that somebody called false since
    judged_right: int  # likewise, resolved
    minutes: float  # without a connection, each cut by itself
    minutes_judged_false: float
    asked_or_spared: int  # not even enforcing would have cut them off


async def find_cost(database: Database, organization: str, since_ns: int) -> list[CostRow]:
    """Return what was not isolated since a moment because of the mode; the first row is all of it."""
    parameters = {"organization": organization, "since_ns": since_ns}
    return await database.read("would_have", parameters, CostRow)


async def summarize(
    history: History, organization: str, *, since_ns: int, now_ns: int
) -> SummaryRow:
    """Return what reached us since a moment."""
    parameters = {"organization": organization, "since_ns": since_ns, "now_ns": now_ns}
    return (await history.read("summary", parameters, SummaryRow, since_ns=since_ns))[0]


async def find_trend(  # noqa: PLR0913  one parameter for each filter
    history: History,
    organization: str,
    metric: Metric,
    *,
    since_ns: int,
    step_ns: int,
    device_id: str | None,
    sensor_type: str | None,
) -> list[TrendRow]:
    """Return each step of time that has any, oldest first."""
    parameters = {
        "organization": organization,
        "since_ns": since_ns,
        "step_ns": step_ns,
        "device_id": device_id,
        "sensor_type": sensor_type,
    }
    source = source_of(step_ns // NS_PER_S)
    if source is None or metric == "readings":
        return await history.read(f"trend_{metric}", parameters, TrendRow, since_ns=since_ns)
    if sensor_type is not None:
        return []
    del parameters["sensor_type"]
    parameters |= {"source": source, "counted": _COUNTED[metric]}
    return await history.read("counts_by_time", parameters, TrendRow, since_ns=since_ns)


async def count_alerts_by_time(
    database: Database, organization: str, *, since_ns: int, step_ns: int, by_arrival: bool
) -> list[TrendRow]:
    """Return how many alerts there are in each step of time that has any, oldest first."""
    parameters = {"organization": organization, "since_ns": since_ns, "step_ns": step_ns}
    source = source_of(step_ns // NS_PER_S)
    if source is None:
        parameters["by_arrival"] = by_arrival
        return await database.read("count_alerts_by_time", parameters, TrendRow)
    counted = {"source": source, "counted": "arrived" if by_arrival else "opened"}
    return await database.read(
        "counts_by_time", parameters | counted | {"device_id": None}, TrendRow
    )
