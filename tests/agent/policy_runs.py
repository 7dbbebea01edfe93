"""A policy and the verdicts that come to it, with valid defaults."""

from typing import Any

import msgspec

from agent.config import PolicyConfig
from agent.effects import Effect, Isolate, Publish
from agent.open_alert import Explanation
from agent.policy import Policy
from contract.attacks import AttackType
from contract.messages import Alert, AnyMessage, Change, Isolation, TopFeature, Verdict

SECOND = 1_000_000_000
START = 1_790_000_000
MAC, OTHER = "02:00:00:00:00:42", "02:00:00:00:00:43"
CHANGE = Change(feature="sent_syn_1s", value=2.0, unit="packets", words="at most w")
REASON = TopFeature(feature="sent_syn_1s", value=9.0, unit="packets", contribution=1.0, words="w")


def verdict(
    at: int = 0, attack: AttackType = "Scan", host: str = MAC, **changes: object
) -> Verdict:
    """A malicious verdict, `at` seconds after the start."""
    start = (START + at) * SECOND
    found = Verdict(
        window_start_ns=start,
        window_end_ns=start + SECOND,
        host=host,
        src_mac=host if ":" in host else MAC,
        src_ip="192.168.1.66",
        dst_ip="192.168.1.10",
        bridge_port="lan1",
        label=attack,
        scores={"benign": 0.1, attack: 0.9},
        packets=100,
        wire_bytes=6000,
    )
    return msgspec.structs.replace(found, **changes)


class Run:
    """A policy and what it did so far."""

    def __init__(self, **settings: Any) -> None:
        self.policy = Policy(PolicyConfig(**settings), "pi-1", "model-1")
        self.policy.allowance.hosts_known = 100
        self.effects: list[Effect] = []
        self.explained = 0

    def strike(self, *verdicts: Verdict) -> list[Effect]:
        """Let time come to each verdict, then take it in; return what followed."""
        before = len(self.effects)
        for each in verdicts:
            assert each.label != "benign"
            self.effects += self.policy.advance(each.window_start_ns)
            self.effects += self.policy.strike(each, each.label, self._explain)
            self.effects += self.policy.explain()
        return self.effects[before:]

    def _explain(self) -> Explanation:
        self.explained += 1
        return Explanation([REASON], [CHANGE])

    def alerts(self) -> list[Alert]:
        return [m for m in messages(self.effects) if isinstance(m, Alert)]

    def isolations(self) -> list[Isolation]:
        published = [m for m in messages(self.effects) if isinstance(m, Isolation)]
        return published + [e.isolation for e in self.effects if isinstance(e, Isolate)]


def messages(effects: list[Effect]) -> list[AnyMessage]:
    return [effect.message for effect in effects if isinstance(effect, Publish)]


def modes(run: Run) -> list[str]:
    return [isolation.state for isolation in run.isolations()]


def opened(run: Run, count: int = 1, *, at: int = 0, **changes: Any) -> Run:
    for number in range(count):
        host = f"02:00:00:00:01:{at + number & 255:02x}"
        run.strike(*(verdict(at + second, host=host, **changes) for second in (0, 1)))
    return run
