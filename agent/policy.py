"""From verdicts to deeds: strikes make an alert, an alert makes an isolation as far as the mode allows."""

import hashlib
from collections import deque
from typing import Final

import msgspec

from agent.allowance import REMAINDER, Allowance
from agent.config import FIRST_CUTS, Mode, PolicyConfig
from agent.effects import Effect, Isolate, Publish
from agent.open_alert import OpenAlert, Reasons
from agent.strikes import (
    ANOMALOUS_WINDOWS,
    BEYOND_DOUBT,
    BOTNET_MEMORY_NS,
    MEMORY_NS,
    OVERWHELMING_PACKETS,
)
from contract.attacks import ANOMALY, ATTACKS, AttackType
from contract.cuts import Part
from contract.messages import Alert, Isolation, Verdict
from runtime.errors import ConfigError

SECOND_NS: Final = 1_000_000_000
LAST_NS: Final = 2**63 - 1
UPDATE_NS: Final = 10 * SECOND_NS  # an open alert is told again at most this often
MOST_DOUBLED: Final = 6  # how often the wait is doubled after an isolation failed
MAX_SUSPECTS: Final = 4096
MAX_OPEN_ALERTS: Final = 256
SETTLE_NS: Final = 2 * SECOND_NS  # windows that begin later have no frames of before a cut
# What enforcers are fine enough for a part of a host, and know our bridge ports by their names.
NARROW: Final = frozenset({"nft", "dry_run"})
OF_PORTS: Final = frozenset({"nft", "bridge_port", "dry_run"})
# A host, its bridge port where its MAC is not its alone or there are many behind it, and a class.
Suspect = tuple[str, str | None, AttackType]


class Policy:
    """Keeps strikes and open alerts, by the time of the data; bounded, and counts what it drops.

    Where the data's clock was set back, what is older than can be counts as long ago.

    Raises:
        ConfigError: An exemption is neither a MAC nor an IP nor a network, or anomalies would be
            isolated.
    """

    def __init__(
        self, config: PolicyConfig, device_id: str, model_id: str, enforcer: str = "nft"
    ) -> None:
        if config.modes.get(ANOMALY, "observe") != "observe":
            message = f"policy.modes.{ANOMALY}: what no class explains is never isolated"
            raise ConfigError(message)
        self._config = config
        self._first_cuts = {**FIRST_CUTS, **config.first_cuts} if enforcer in NARROW else {}
        self._cuts_ports = enforcer in OF_PORTS
        self.allowance = Allowance(config)
        self._device_id = device_id
        self.model_id = model_id  # of what judges now; an alert keeps the one that opened it
        self._least_memory_ns = 2 * config.strikes * SECOND_NS
        self._strikes: dict[Suspect, deque[Verdict]] = {}
        self._open: dict[Suspect, OpenAlert] = {}
        self._unexplained: list[tuple[OpenAlert, Reasons, list[Publish]]] = []
        self.alerts = 0
        self._dropped = {"policy.suspects": 0, "policy.alerts": 0}

    @property
    def mode(self) -> Mode:
        """How far isolations may go where nothing else is said."""
        return self.allowance.mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self.allowance.mode = mode

    @property
    def dropped(self) -> dict[str, int]:
        """What was not taken in, or not done, by reason."""
        return {**self._dropped, "policy.over_budget": self.allowance.over_budget}

    def strike(self, verdict: Verdict, attack: AttackType, reasons: Reasons) -> list[Effect]:
        """Take in a malicious verdict; an alert that it opens is told by `explain`.

        Args:
            verdict: In the order of the stream.
            attack: Its label.
            reasons: Explains the verdict; called only when an alert opens.
        """
        by_port = verdict.shared_mac or verdict.host == REMAINDER
        key = (verdict.host, verdict.bridge_port if by_port else None, attack)
        if key in self._open:
            return self._grow(key, verdict)
        if attack == ANOMALY and any(key[:2] == other[:2] for other in self._open):
            return []  # a class explains it
        strikes = self._recent(key, verdict.window_start_ns)
        strikes.append(verdict)
        proof = (
            len(strikes) if attack == ANOMALY else sum(_weight(each, attack) for each in strikes)
        )
        if proof < self._needed(attack):
            return []
        # Oddities leave room for attacks.
        if len(self._open) >= (MAX_OPEN_ALERTS // 2 if attack == ANOMALY else MAX_OPEN_ALERTS):
            self._dropped["policy.alerts"] += 1
            return []
        del self._strikes[key]
        return self._alert(key, list(strikes), reasons)

    def explain(self) -> list[Effect]:
        """Tell of the alerts that opened since the last call, explained: no cut waits for that."""
        opened, self._unexplained = self._unexplained, []
        return [effect for each in opened for effect in _explained(*each)]

    def _recent(self, key: Suspect, now_ns: int) -> deque[Verdict]:
        """Return the strikes that still count, as the suspect heard of last."""
        strikes = self._strikes.pop(key, None) or deque(maxlen=self._needed(key[2]))
        kept_ns = BOTNET_MEMORY_NS if key[2] == "Botnet" else MEMORY_NS
        kept_ns = max(kept_ns, self._least_memory_ns)
        while strikes and _is_apart(strikes[0].window_start_ns, now_ns, kept_ns):
            strikes.popleft()
        if len(self._strikes) >= MAX_SUSPECTS:
            del self._strikes[next(iter(self._strikes))]
            self._dropped["policy.suspects"] += 1
        self._strikes[key] = strikes
        return strikes

    def _needed(self, attack: AttackType) -> int:
        least = ANOMALOUS_WINDOWS if attack == ANOMALY else 1
        return max(self._config.strikes, least)

    def failed(self, isolation: Isolation) -> None:
        """Take in that an isolation was not carried out, or goes on to hold a part alone.

        While strikes go on it is tried again.
        """
        goes_on = isolation.state == "verified"
        if not goes_on:
            self.allowance.failed(isolation.isolation_id)
        for held in self._open.values():
            if held.alert.alert_id != isolation.alert_id:
                continue
            again_ns = held.alert.last_seen_ns + UPDATE_NS
            if goes_on:
                held.part = msgspec.structs.replace(isolation, isolated_ns=again_ns)
                held.decided_until_ns = isolation.expires_ns
            else:
                # What of a host can be cut off is partly its own choice: all of it is tried next.
                held.takes_all |= isolation.part is not None
                held.part = None
                wait_ns = UPDATE_NS << min(held.failures, MOST_DOUBLED)
                held.decided_until_ns = held.alert.last_seen_ns + wait_ns
                held.failures += 1
            held.strays = 0

    def left_to_a_person(self, isolation: Isolation) -> None:
        """Take in that a person prolonged an isolation, or cut off a host by hand.

        The one is not widened any more; of the other nobody is asked while it is cut off.
        """
        for held in self._open.values():
            is_it = held.part is not None and held.part.isolation_id == isolation.isolation_id
            is_all = isolation.part is None and held.alert.host == isolation.host
            if is_it or (is_all and not held.is_cut):
                held.part, held.is_cut = None, True
                held.decided_until_ns = isolation.expires_ns

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

    def _close(self, key: Suspect) -> Effect:
        held = self._open.pop(key)
        return Publish(msgspec.structs.replace(held.alert, state="closed"))

    def _grow(self, key: Suspect, verdict: Verdict) -> list[Effect]:
        held = self._open[key]
        held.alert = msgspec.structs.replace(
            held.alert,
            last_seen_ns=max(held.alert.last_seen_ns, verdict.window_end_ns),
            windows=held.alert.windows + 1,
            packets=held.alert.packets + verdict.packets,
            confidence=max(held.alert.confidence, verdict.scores[held.alert.attack_type]),
            src_ip=held.alert.src_ip or verdict.src_ip,
        )
        if self._is_due(held, verdict.window_end_ns):
            effects = self._isolation(held, verdict, self._first_part(held, verdict))
        else:
            effects = self._widened(held, verdict)
        if verdict.window_end_ns - held.told_ns < UPDATE_NS:
            return effects
        held.told_ns = verdict.window_end_ns
        return [Publish(held.alert), *effects]

    def _is_due(self, held: OpenAlert, now_ns: int) -> bool:
        """Return whether to decide anew: its time is over, or nobody was cut off and the mode changed."""
        until_ns = held.decided_until_ns
        is_over = until_ns is not None and now_ns > until_ns
        return is_over or (not held.is_cut and held.mode != self.mode)

    def _alert(self, key: Suspect, strikes: list[Verdict], reasons: Reasons) -> list[Effect]:
        last, (_, port, attack) = strikes[-1], key
        named = (last.host, attack) if port is None else (last.host, port, attack)
        alert = Alert(
            alert_id=_id(self._device_id, *named, last.window_end_ns),
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
            top_features=[],
            model_id=self.model_id,
        )
        held = self._open[key] = OpenAlert(alert)
        self.alerts += 1
        effects = self._isolation(held, last, self._first_part(held, last))
        told = [effect for effect in effects if isinstance(effect, Publish)]
        self._unexplained.append((held, reasons, told))
        return [effect for effect in effects if isinstance(effect, Isolate)]

    def _first_part(self, held: OpenAlert, last: Verdict) -> Part | None:
        """Return the gentlest part of the host that ends the attack, None: all of it has to go."""
        aimed_at = last.aimed_at
        first_cuts = self._first_cuts.get(held.alert.attack_type, [])
        for kind in [] if held.takes_all else first_cuts:
            if kind == "rate":
                return Part(kind="rate")
            if aimed_at is not None and kind == "pair":
                return _pair(aimed_at)
            if aimed_at is not None and aimed_at.kind == kind:
                return aimed_at
        return None

    def _widened(self, held: OpenAlert, verdict: Verdict) -> list[Effect]:
        """Cut off more where a part did not end the attack: a flow's pair, or the whole host."""
        standing = held.part
        if standing is None or standing.part is None:
            return []
        since_ns = verdict.window_start_ns - standing.isolated_ns
        if since_ns < SETTLE_NS or not self.allowance.stands(standing.isolation_id):
            return []
        is_held = _holds(standing.part, verdict.aimed_at, held.alert.attack_type)
        # What is beyond doubt says who attacks, and not that what was cut off is too little.
        held.strays += 0 if is_held else _loudness(verdict)
        # Behind what is dropped nobody can see what gets through: no part is trusted for ever.
        is_over = since_ns >= self._config.first_cut_s * SECOND_NS
        if held.strays < self._config.strikes and not is_over:
            return []
        aimed_at = verdict.aimed_at
        is_same_peer = aimed_at is not None and _pair(aimed_at) == _pair(standing.part)
        wider = _pair(standing.part) if standing.part.kind == "flow" and is_same_peer else None
        held.takes_all = wider is None
        return self._isolation(held, verdict, wider, standing)

    def _isolation(
        self,
        held: OpenAlert,
        last: Verdict,
        part: Part | None,
        narrower: Isolation | None = None,
    ) -> list[Effect]:
        """Isolate as far as it is allowed.

        Args:
            held: The alert.
            last: The verdict that proved it.
            part: Of the host, where a part may do.
            narrower: What stands already and is to be widened in place.
        """
        alert, now_ns = held.alert, last.window_end_ns
        held.mode = self.mode
        # What is merely unusual is for a person to look at: it is no attack that anybody could name.
        if alert.attack_type == ANOMALY:
            return []
        if alert.host == REMAINDER and not self._is_cut_at_its_port(alert):
            return []
        number = (held.isolations,) if held.isolations else ()
        fresh_id = _id(alert.alert_id, "isolation", *number)
        isolation_id = fresh_id if narrower is None else narrower.isolation_id
        allowed = self.allowance.decide(
            alert, isolation_id, now_ns, shared_mac=last.shared_mac, part=part
        )
        applied = allowed.state == "applied"
        details = [_not_enough(narrower) if applied else "", allowed.detail]
        if allowed.state == "suggested" and held.asked and narrower is None:
            details.append(
                f"the attack goes on, and nobody has decided: asked {held.asked + 1} times"
            )
        isolation = Isolation(
            # What is only asked for must not be told of what goes on to hold.
            isolation_id=isolation_id if applied else fresh_id,
            alert_id=alert.alert_id,
            host=alert.host,
            isolated_mac=allowed.cut.mac,
            isolated_ip=allowed.cut.ip,
            isolated_port=allowed.cut.bridge_port,
            reason=f"{alert.attack_type} by {_name(alert)}",
            enforcement="dry_run",
            state=allowed.state,
            isolated_ns=now_ns,
            expires_ns=min(now_ns + allowed.duration_s * SECOND_NS, LAST_NS),
            detail="; ".join(filter(None, details)),
            losses=allowed.radius.losses,
            further_losses=allowed.radius.further,
            host_group=allowed.host_group,
            part=allowed.cut.part,
        )
        held.isolations += 1
        held.part, held.strays = (isolation if applied else None), 0
        if narrower is None or applied:
            held.is_cut = applied
            held.decided_until_ns = _decided_until(held, isolation)
        # What is applied is published by who applied it, after reading the kernel back.
        return [Isolate(isolation) if applied else Publish(isolation)]

    def _is_cut_at_its_port(self, alert: Alert) -> bool:
        """Return whether of many hosts together the bridge port is cut: where they are invented."""
        return self._cuts_ports and alert.attack_type == "DOS" and alert.bridge_port is not None


def _explained(held: OpenAlert, reasons: Reasons, told: list[Publish]) -> list[Effect]:
    """Return an alert that opened, with its explanation, and what is told together with it."""
    held.alert = msgspec.structs.replace(held.alert, **msgspec.structs.asdict(reasons()))
    return [Publish(held.alert), *told]


def _decided_until(held: OpenAlert, isolation: Isolation) -> int | None:
    """Return until when nothing else is decided; a person is asked more and more seldom."""
    if isolation.state == "applied":
        held.asked = 0
        return isolation.expires_ns
    if isolation.state == "simulated":
        return None
    wait_ns = (isolation.expires_ns - isolation.isolated_ns) << min(held.asked, MOST_DOUBLED)
    held.asked += 1
    return isolation.isolated_ns + wait_ns


def _not_enough(narrower: Isolation | None) -> str:
    if narrower is None or narrower.part is None:
        return ""
    return f"the attack went on when a {narrower.part.kind} was cut off"


def _name(alert: Alert) -> str:
    return f"hosts behind {alert.bridge_port}" if alert.host == REMAINDER else alert.host


def _pair(part: Part) -> Part:
    """Return the pair of a flow, and of a pair itself."""
    return Part(kind="pair", peer_mac=part.peer_mac, peer_ip=part.peer_ip)


def _holds(part: Part, aimed_at: Part | None, attack: AttackType) -> bool:
    """Return whether a part that is cut off holds what a window did."""
    if part.kind == "rate":
        return attack == "DOS"  # a slow flood is none; all else goes on slowly
    if aimed_at is None:
        return False
    return aimed_at == part if part.kind == "flow" else _pair(aimed_at) == part


def _weight(verdict: Verdict, attack: AttackType) -> int:
    beyond_doubt = verdict.scores.get(attack, 0.0) >= BEYOND_DOUBT[attack]
    return 2 if beyond_doubt else _loudness(verdict)


def _loudness(verdict: Verdict) -> int:
    return 2 if verdict.packets >= OVERWHELMING_PACKETS else 1


def _is_apart(one_ns: int, other_ns: int, more_than_ns: int) -> bool:
    return abs(one_ns - other_ns) > more_than_ns


def _id(*parts: object) -> str:
    """Return 32 hex digits that are the same whenever the same data is seen."""
    return hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=16).hexdigest()
