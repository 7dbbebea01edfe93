"""Drift told as an alert: what should be cut off and was not, once, until it holds again."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from contract.cuts import Part
from contract.messages import Alert, Isolation, TopFeature

SECOND_NS: Final = 1_000_000_000
HELD_NS: Final = 10 * SECOND_NS  # so long all has to hold before a drift is over
TOLD_NS: Final = 10 * SECOND_NS  # a drift that goes on is told at most this often
MOST_NAMED: Final = 10
MOST_CHARACTERS: Final = 200


class Drift:
    """One alert for each time that desired and observed go apart, however often they do meanwhile.

    It is of class `Anomaly`, and of the host that should be cut off: so it stands among the alerts of
    that host, and whoever is told of alerts is told of it.
    """

    def __init__(self, enforcer: str, model_id: Callable[[], str]) -> None:
        """Prepare.

        Args:
            enforcer: Where the isolations should hold.
            model_id: Returns which model judges now, for alerts to name; none judged here.
        """
        self._enforcer = enforcer
        self._model_id = model_id
        self._open: Alert | None = None
        self._named: dict[str, Isolation] = {}
        self._told_ns = 0

    def note(self, slipped: Sequence[Isolation] | None, now_ns: int) -> list[Alert]:
        """Take in a look at what holds; return what is to be told of it.

        Args:
            slipped: What should have held and did not; None: that could not be told.
            now_ns: The clock.
        """
        if slipped is None:
            return []
        if slipped:
            return self._went_on(slipped, now_ns)
        if self._open is not None and abs(now_ns - self._open.last_seen_ns) >= HELD_NS:
            return self.end()
        return []

    def end(self) -> list[Alert]:
        """Close what is open: it is repaired, or nobody looks any more."""
        ended, self._open, self._named = self._open, None, {}
        return [] if ended is None else [msgspec.structs.replace(ended, state="closed")]

    def _went_on(self, slipped: Sequence[Isolation], now_ns: int) -> list[Alert]:
        fresh = {
            each.isolation_id: each for each in slipped if each.isolation_id not in self._named
        }
        room = MOST_NAMED - len(self._named)
        self._named |= dict(list(fresh.items())[:room])
        before = self._open
        alert = before or self._opened(slipped[0], now_ns)
        self._open = msgspec.structs.replace(
            alert,
            last_seen_ns=max(alert.last_seen_ns, now_ns),
            windows=alert.windows + 1,
            top_features=[self._named_one(each) for each in self._named.values()],
        )
        if before is not None and abs(now_ns - self._told_ns) < TOLD_NS:
            return []
        self._told_ns = now_ns
        return [self._open]

    def _opened(self, first: Isolation, now_ns: int) -> Alert:
        named = f"drift|{first.isolation_id}|{now_ns}"
        return Alert(
            alert_id=hashlib.blake2b(named.encode(), digest_size=16).hexdigest(),
            state="open",
            attack_type="Anomaly",
            severity="high",
            host=first.host,
            src_mac=first.isolated_mac,
            src_ip=first.isolated_ip,
            dst_ip=None,
            bridge_port=first.isolated_port,
            first_seen_ns=now_ns,
            opened_ns=now_ns,
            last_seen_ns=now_ns,
            confidence=1.0,
            windows=0,
            top_features=[],
            model_id=self._model_id(),
        )

    def _named_one(self, isolation: Isolation) -> TopFeature:
        words = f"{_words(isolation)} should be cut off, and {self._enforcer} did not hold it"
        return TopFeature(
            feature="isolation_drift",
            value=1.0,
            unit="isolation",
            contribution=1.0,
            words=words[:MOST_CHARACTERS],
        )


def _words(isolation: Isolation) -> str:
    port = isolation.isolated_port
    who = isolation.isolated_mac or isolation.isolated_ip or f"bridge port {port}"
    return who if isolation.part is None else f"{_of_part(isolation.part)} {who}"


def _of_part(part: Part) -> str:
    return {"rate": "the rate of", "pair": "a pair of", "flow": "a flow of"}[part.kind]
