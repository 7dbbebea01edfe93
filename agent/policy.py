"""From verdicts to deeds: strikes make an alert, an alert makes an isolation as far as the mode allows."""

import hashlib
import ipaddress
import re
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from agent.config import PolicyConfig
from agent.effects import Effect, Isolate, Publish
from contract.attacks import ATTACKS, AttackType
from contract.messages import Alert, Change, Isolation, IsolationState, TopFeature, Verdict
from runtime.errors import ConfigError

SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3600 * SECOND_NS
STRIKE_MEMORY_NS: Final = 10 * SECOND_NS
OVERWHELMING_PACKETS: Final = 200  # a window that saw so many proves as much as two that saw few
LAST_NS: Final = 2**63 - 1
UPDATE_NS: Final = 10 * SECOND_NS  # an open alert is told again at most this often
MAX_SUSPECTS: Final = 4096
MAX_OPEN_ALERTS: Final = 256
REMAINDER: Final = "00:00:00:00:00:00"  # many hosts judged together
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class Explanation(msgspec.Struct, frozen=True):
    """Why a verdict is what it is."""

    top_features: list[TopFeature]
    counterfactual: list[Change]


Reasons = Callable[[], Explanation]


class _OpenAlert:
    """An alert that still grows."""

    def __init__(self, alert: Alert) -> None:
        self.alert = alert
        self.told_ns = alert.opened_ns


class Policy:
    """Keeps strikes and open alerts, by the time of the data; bounded, and counts what it drops.

    Where the data's clock was set back, what is older than can be counts as long ago.

    Raises:
        ConfigError: An exemption is neither a MAC nor an IP nor a network.
    """

    def __init__(self, config: PolicyConfig, device_id: str, model_id: str) -> None:
        self._config = config
        self.mode = config.mode
        self._device_id = device_id
        self._model_id = model_id
        self._exempt = [_exemption(text) for text in config.exempt]
        self._memory_ns = max(STRIKE_MEMORY_NS, 2 * config.strikes * SECOND_NS)
        self._strikes: dict[tuple[str, AttackType], deque[Verdict]] = {}
        self._open: dict[tuple[str, AttackType], _OpenAlert] = {}
        self._isolated_ns: deque[int] = deque()
        self.alerts = 0
        self.dropped = {"policy.suspects": 0, "policy.alerts": 0, "policy.over_budget": 0}

    def strike(self, verdict: Verdict, attack: AttackType, reasons: Reasons) -> list[Effect]:
        """Take in a malicious verdict.

        Args:
            verdict: In the order of the stream.
            attack: Its label.
            reasons: Explains the verdict; called only when an alert opens.
        """
        key = (verdict.host, attack)
        if key in self._open:
            return self._grow(key, verdict)
        strikes = self._recent(key, verdict.window_start_ns)
        strikes.append(verdict)
        if sum(map(_weight, strikes)) < self._config.strikes:
            return []
        if len(self._open) >= MAX_OPEN_ALERTS:
            self.dropped["policy.alerts"] += 1
            return []
        del self._strikes[key]
        return self._alert(attack, list(strikes), reasons())

    def _recent(self, key: tuple[str, AttackType], now_ns: int) -> deque[Verdict]:
        """Return the strikes that still count, as the suspect heard of last."""
        strikes = self._strikes.pop(key, None) or deque(maxlen=self._config.strikes)
        while strikes and _is_apart(strikes[0].window_start_ns, now_ns, self._memory_ns):
            strikes.popleft()
        if len(self._strikes) >= MAX_SUSPECTS:
            del self._strikes[next(iter(self._strikes))]
            self.dropped["policy.suspects"] += 1
        self._strikes[key] = strikes
        return strikes

    def advance(self, now_ns: int) -> list[Effect]:
        """Close alerts that have been quiet long enough; `now_ns` is the data's time."""
        quiet_ns = self._config.quiet_s * SECOND_NS
        ended = [
            key
            for key, held in self._open.items()
            if _is_apart(held.alert.last_seen_ns, now_ns, quiet_ns)
        ]
        return [self._close(key) for key in ended]

    def flush(self) -> list[Effect]:
        """Close every alert: no more verdicts will come."""
        return [self._close(key) for key in list(self._open)]

    def _close(self, key: tuple[str, AttackType]) -> Effect:
        held = self._open.pop(key)
        return Publish(msgspec.structs.replace(held.alert, state="closed"))

    def _grow(self, key: tuple[str, AttackType], verdict: Verdict) -> list[Effect]:
        held = self._open[key]
        held.alert = msgspec.structs.replace(
            held.alert,
            last_seen_ns=max(held.alert.last_seen_ns, verdict.window_end_ns),
            windows=held.alert.windows + 1,
            packets=held.alert.packets + verdict.packets,
            confidence=max(held.alert.confidence, verdict.scores[key[1]]),
            src_ip=held.alert.src_ip or verdict.src_ip,
        )
        if verdict.window_end_ns - held.told_ns < UPDATE_NS:
            return []
        held.told_ns = verdict.window_end_ns
        return [Publish(held.alert)]

    def _alert(
        self, attack: AttackType, strikes: list[Verdict], reasons: Explanation
    ) -> list[Effect]:
        last = strikes[-1]
        alert = Alert(
            alert_id=_id(self._device_id, last.host, attack, last.window_end_ns),
            state="open",
            attack_type=attack,
            severity=ATTACKS[attack].severity,
            host=last.host,
            src_mac=last.src_mac,
            src_ip=next((v.src_ip for v in reversed(strikes) if v.src_ip), None),
            dst_ip=last.dst_ip,
            bridge_port=last.bridge_port,
            first_seen_ns=strikes[0].window_start_ns,
            opened_ns=last.window_end_ns,
            last_seen_ns=last.window_end_ns,
            confidence=max(v.scores[attack] for v in strikes),
            windows=len(strikes),
            packets=sum(v.packets for v in strikes),
            top_features=reasons.top_features,
            counterfactual=reasons.counterfactual,
            model_id=self._model_id,
        )
        self._open[last.host, attack] = _OpenAlert(alert)
        self.alerts += 1
        return [Publish(alert), *self._isolation(alert)]

    def _isolation(self, alert: Alert) -> list[Effect]:
        if alert.host == REMAINDER or self._is_exempt(alert):
            return []
        state = self._allowed(alert.opened_ns)
        isolation = Isolation(
            isolation_id=_id(alert.alert_id, "isolation"),
            alert_id=alert.alert_id,
            host=alert.host,
            isolated_mac=None if alert.host == alert.src_ip else alert.src_mac,
            isolated_ip=alert.src_ip if alert.host == alert.src_ip else None,
            isolated_port=alert.bridge_port,
            reason=f"{alert.attack_type} by {alert.host}",
            enforcement="dry_run",
            state=state,
            isolated_ns=alert.opened_ns,
            expires_ns=min(alert.opened_ns + self._config.isolation_s * SECOND_NS, LAST_NS),
        )
        # What is applied is published by who applied it, after reading the kernel back.
        return [Isolate(isolation) if state == "applied" else Publish(isolation)]

    def _allowed(self, now_ns: int) -> IsolationState:
        """Return how far an isolation may go now: the mode, and the budget of the last hour."""
        if self.mode == "observe":
            return "simulated"
        while self._isolated_ns and _is_apart(self._isolated_ns[0], now_ns, HOUR_NS):
            self._isolated_ns.popleft()
        if self.mode == "suggest":
            return "suggested"
        if len(self._isolated_ns) >= self._config.max_isolations_per_hour:
            self.dropped["policy.over_budget"] += 1
            return "suggested"
        self._isolated_ns.append(now_ns)
        return "applied"

    def _is_exempt(self, alert: Alert) -> bool:
        addresses = [ipaddress.ip_address(alert.src_ip)] if alert.src_ip else []
        return any(
            rule == alert.src_mac if isinstance(rule, str) else any(a in rule for a in addresses)
            for rule in self._exempt
        )


def _weight(verdict: Verdict) -> int:
    return 2 if verdict.packets >= OVERWHELMING_PACKETS else 1


def _exemption(text: str) -> "str | ipaddress.IPv4Network | ipaddress.IPv6Network":
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        mac = text.lower().replace("-", ":")
    if _MAC.fullmatch(mac):
        return mac
    message = f"policy.exempt: {text!r} is neither a MAC nor an IP nor a network"
    raise ConfigError(message)


def _is_apart(one_ns: int, other_ns: int, more_than_ns: int) -> bool:
    return abs(one_ns - other_ns) > more_than_ns


def _id(*parts: object) -> str:
    """Return 32 hex digits that are the same whenever the same data is seen."""
    return hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=16).hexdigest()
