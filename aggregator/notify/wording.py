"""What is said on a channel: one notice, as data for programs and in words for people."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from aggregator.notify.services import Note
from aggregator.shapes import AlertShape, rfc3339
from aggregator.store.notifications import NotificationEvent, Withheld
from contract.attacks import SEVERITIES


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is sent."""

    id: str  # the same when it is sent again
    event: NotificationEvent | Literal["test"]
    organization: str
    sent_at: str
    title: str
    text: str
    alert: AlertShape | None = None
    more: dict[str, int] | None = None  # how many alerts of each class were not told one by one


def note(notice: Notice) -> Note:
    """Return a notice for a person."""
    return Note(notice.title, notice.text)


def alert_title(event: NotificationEvent, alert: AlertShape) -> str:
    """Return what is said of an alert in one line."""
    who = alert.src_ip or alert.host
    if event == "reopened":
        return f"Active again: {alert.severity}, {alert.attack_type} by {who}"
    if event == "expired":
        return f"Look again: {alert.severity}, {alert.attack_type} by {who}"
    if event == "recovered":
        return f"Over: {alert.attack_type} by {who}"
    if event == "lifted":
        return f"No longer isolated: {who} ({alert.attack_type})"
    return f"{alert.severity}: {alert.attack_type} by {who}"


def alert_text(alert: AlertShape) -> str:
    """Return what a person should know of an alert before looking at it."""
    lines = [
        alert.reason,
        f"host {alert.host}" + (f", hits {alert.dst_ip} most" if alert.dst_ip else ""),
        f"seen by {alert.device_id} since {alert.first_seen_at}, status {alert.status}",
        "isolated at least once" if alert.mitigation_applied else "",
        f"alert {alert.alert_id}",
    ]
    return "\n".join(filter(None, lines))


def more_text(withheld: Sequence[Withheld]) -> str:
    """Return how many alerts were not told one by one."""
    total = sum(row.count for row in withheld)
    since = rfc3339(min(row.since_ns for row in withheld))
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in by_type(withheld).most_common())
    gravest = max((row.severity for row in withheld), key=SEVERITIES.index)
    alerts = "alert" if total == 1 else "alerts"
    return f"and {total:,} more {alerts} since {since}: {kinds}; the gravest is {gravest}"


def by_type(withheld: Sequence[Withheld]) -> Counter[str]:
    """Return how many alerts of each class were not told one by one."""
    counts: Counter[str] = Counter()
    for row in withheld:
        counts[row.attack_type] += row.count
    return counts
