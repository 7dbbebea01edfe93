"""What is told about an alert: what happened, when, and how it stands since."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import msgspec

from aggregator.config import AlertEvent
from aggregator.store.alerts import AlertRow
from contract.attacks import AttackType, Severity

MAX_REMEMBERED: Final = 10_000  # alerts of which it is known how they were told last


class Signature(msgspec.Struct, frozen=True):
    """An attack class as rules of other systems are named: number and category never change."""

    number: int
    category: str  # in the words of Suricata's classification


SIGNATURES: Final[dict[AttackType, Signature]] = {
    "DOS": Signature(1, "Attempted Denial of Service"),
    "Botnet": Signature(2, "Malware Command and Control Activity Detected"),
    "Replay": Signature(3, "Potentially Bad Traffic"),
    "MITM": Signature(4, "Misc Attack"),
    "Scan": Signature(5, "Detection of a Network Scan"),
    "BruteForce": Signature(6, "Attempted User Privilege Gain"),
    "Anomaly": Signature(7, "Unknown Traffic"),
}
PROTOCOLS: Final = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "IPv6-ICMP", 132: "SCTP"}
HAVE_PORTS: Final = frozenset({6, 17, 132})
ICMPS: Final = frozenset({1, 58})
# As syslog counts, 0 the gravest.
SYSLOG_SEVERITIES: Final[dict[Severity, int]] = {"critical": 2, "high": 3, "medium": 4, "low": 5}


class Entry(msgspec.Struct, frozen=True):
    """Something that happened to an alert."""

    organization: str
    event: AlertEvent
    at_ns: int  # by its device's clock, or of a decision by ours
    row: AlertRow  # as it stands


class _Reason(msgspec.Struct, frozen=True):
    words: str


_reasons = msgspec.json.Decoder(list[_Reason]).decode


def reason(row: AlertRow) -> str:
    """Return the words of the feature that decided most; empty where there is none."""
    found = _reasons(row.top_features)
    return found[0].words if found else ""


class Told:
    """Knows how alerts were told last, so that it can be said what happened since; bounded.

    What it does not know of was open and not decided about: after a restart an end may be told twice.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[int, tuple[str, str]] = OrderedDict()  # state and status

    def entries(
        self, organization: str, row: AlertRow, now_ns: int, *, new: bool
    ) -> Iterator[Entry]:
        """Yield what happened to an alert that was announced, in its order."""
        state, status = self._last.pop(row.id, ("open", "active"))
        self._last[row.id] = (row.state, row.status)
        if len(self._last) > MAX_REMEMBERED:
            self._last.popitem(last=False)
        is_over, is_decided = row.state == "closed" != state, row.status != status
        if new:
            yield Entry(organization, "opened", row.opened_ns, row)
        if is_over:
            yield Entry(organization, "closed", row.last_seen_ns, row)
        if is_decided:
            yield Entry(organization, "decided", now_ns, row)
        if not (new or is_over or is_decided):
            yield Entry(organization, "updated", row.last_seen_ns, row)
