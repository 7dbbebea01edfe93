"""Frames in, effects out: the whole detector without socket, clock or thread."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from agent.effects import Effect, Publish
from agent.explain import Explainer
from agent.observe import Observer
from agent.policy import Policy
from agent.records import I64, FrameBatch, Observations
from agent.scoring import OnnxScorer
from agent.tables import mixed
from agent.verdicts import Judged, judge, verdict
from contract.attacks import ATTACKS, BENIGN, AttackType
from contract.features import WINDOW_S
from contract.messages import TopFeature, Verdict, VerdictBatch

SECOND_NS: Final = 1_000_000_000
REPORT_NS: Final = 10 * SECOND_NS  # how often verdicts leave
REPORT_ROWS: Final = 500  # or when so many wait
BENIGN_EVERY: Final = (
    60  # one benign verdict of this many is told, so that a quiet network is quiet
)


class Outcome(msgspec.Struct, frozen=True, eq=False):
    """What came of some frames."""

    effects: list[Effect]
    judged: list[Judged]


class Pipeline:
    """The detector. The same frames give the same effects, however they are cut into batches."""

    def __init__(
        self,
        observer: Observer,
        scorer: OnnxScorer,
        explainer: Explainer,
        policy: Policy,
        ports: Sequence[str] = (),
    ) -> None:
        self.observer = observer
        self.policy = policy
        self.model = scorer.metadata
        self.ports = ports
        self._scorer = scorer
        self._explainer = explainer
        self._benign = self.model.classes.index(BENIGN)
        self._unreported: list[Verdict] = []
        self._reported_ns = 0
        self._untold = 0  # verdicts beyond REPORT_ROWS in one window

    def feed(self, frames: FrameBatch) -> Outcome:
        """Take in frames; return what follows from the windows that they close."""
        return self._conclude(self.observer.feed(frames))

    def flush(self) -> Outcome:
        """Close everything that is open: no more frames will come."""
        outcome = self._conclude(self.observer.flush())
        effects = [*outcome.effects, *self.policy.flush(), *self._report()]
        return Outcome(effects, outcome.judged)

    def dropped(self) -> dict[str, int]:
        """Return everything that was not seen, judged or told as it came, by reason."""
        untold = {"verdicts.untold": self._untold}
        return {**self.observer.counters(), **self.policy.dropped, **untold}

    def verdict(self, judged: Judged, row: int) -> Verdict:
        """Return one row as a message."""
        return verdict(judged, row, self.model, self.ports)

    def _conclude(self, observations: Observations) -> Outcome:
        if not len(observations):
            return Outcome([], [])
        scores = self._scorer.score(observations.features)
        judged = judge(observations, scores, self.model)
        effects: list[Effect] = []
        starts = observations.window_start_ns
        # Verdicts and the closing of alerts in the order of time, whatever the batch held.
        for rows in np.split(np.arange(len(judged)), np.flatnonzero(np.diff(starts)) + 1):
            effects += self.policy.advance(int(starts[rows[0]]))
            effects += self._act(judged, rows)
            effects += self._keep(judged, rows)
        return Outcome(effects, [judged])

    def _act(self, judged: Judged, rows: I64) -> list[Effect]:
        effects: list[Effect] = []
        for row in rows[judged.labels[rows] != self._benign].tolist():
            found = self.verdict(judged, row)
            attack = found.label
            if attack in ATTACKS:
                effects += self.policy.strike(found, attack, self._reasons(judged, row, attack))
        return effects

    def _reasons(
        self, judged: Judged, row: int, attack: AttackType
    ) -> Callable[[], list[TopFeature]]:
        return lambda: self._explainer.explain(judged.observations.features[row], attack)

    def _keep(self, judged: Judged, rows: I64) -> list[Effect]:
        """Put aside what the centre should see; return a report when one is due."""
        seen = judged.observations
        now_ns = int(seen.window_start_ns[rows[0]])
        host = np.where(seen.is_ip_host, seen.src_ip_low, seen.src_mac)[rows]
        turn = mixed(host) % np.uint64(BENIGN_EVERY)
        mine = turn == np.uint64(now_ns // SECOND_NS % BENIGN_EVERY)
        told = rows[mine | (judged.labels[rows] != self._benign)]
        self._untold += max(len(told) - REPORT_ROWS, 0)
        self._unreported += [self.verdict(judged, row) for row in told[:REPORT_ROWS].tolist()]
        due = abs(now_ns - self._reported_ns) >= REPORT_NS
        if not due and len(self._unreported) < REPORT_ROWS:
            return []
        self._reported_ns = now_ns
        return self._report()

    def _report(self) -> list[Effect]:
        verdicts, self._unreported = self._unreported, []
        return [
            Publish(self._batch(verdicts[at : at + REPORT_ROWS]))
            for at in range(0, len(verdicts), REPORT_ROWS)
        ]

    def _batch(self, verdicts: list[Verdict]) -> VerdictBatch:
        classes = self.model.classes
        scores = np.array([[v.scores[name] for name in classes] for v in verdicts], "<f4")
        return VerdictBatch(
            model_id=self.model.model_id,
            feature_schema_id=self.model.feature_schema_id,
            window_ns=WINDOW_S * SECOND_NS,
            classes=classes,
            window_start_ns=[v.window_start_ns for v in verdicts],
            host=[v.host for v in verdicts],
            src_mac=[v.src_mac for v in verdicts],
            src_ip=[v.src_ip for v in verdicts],
            dst_ip=[v.dst_ip for v in verdicts],
            label=[v.label for v in verdicts],
            packets=[v.packets for v in verdicts],
            wire_bytes=[v.wire_bytes for v in verdicts],
            scores=scores.tobytes(),
        )
