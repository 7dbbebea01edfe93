"""Frames in, effects out: the whole detector without socket, clock or thread."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Final

import msgspec
import numpy as np

from agent.baselines import CALM, Baselines
from agent.deciding import deciding_flow
from agent.effects import Effect, Isolate, Publish
from agent.explain import Explainer
from agent.limits import exceeded
from agent.novelty import Novelty
from agent.observe import Closed, Observer
from agent.open_alert import Explanation
from agent.policy import Policy
from agent.records import Bool, FrameBatch, Observations
from agent.scoring import CHUNK_ROWS, OnnxScorer
from agent.tables import mixed
from agent.targets import Targets, targets
from agent.verdicts import Judged, doubted, judge, unsure, verdict
from contract.attacks import ANOMALY, ATTACKS, BENIGN, AttackType
from contract.features import WINDOW_S
from contract.messages import Verdict, VerdictBatch

SECOND_NS: Final = 1_000_000_000
REPORT_NS: Final = 10 * SECOND_NS  # how often verdicts leave
REPORT_ROWS: Final = 500  # or when so many wait
PIECE_ROWS: Final = 8 * CHUNK_ROWS  # judged at once at most, however few the model is asked about
TOLD_A_WINDOW: Final = 32  # verdicts: a flood must not become one on the uplink
BENIGN_EVERY: Final = (
    60  # one benign verdict of this many is told, so that a quiet network is quiet
)
UNSURE_EVERY: Final = 10  # and of this many where an attack was likelier


class Outcome(msgspec.Struct, frozen=True, eq=False):
    """What came of some frames."""

    effects: list[Effect]
    judged: list[Judged]


class _Due(msgspec.Struct, frozen=True, eq=False):
    """Hosts of a window that wait to be judged."""

    observations: Observations
    evident: Bool  # whom the model is asked about
    window: Closed
    first: int  # row of the window's observations with which these begin


class Pipeline:
    """The detector. The same frames give the same effects, however they are cut into batches."""

    def __init__(
        self,
        observer: Observer,
        scorer: OnnxScorer,
        explainer: Explainer,
        policy: Policy,
        baselines: Baselines,
    ) -> None:
        self.observer = observer
        self.policy = policy
        policy.allowance.peers = observer.peers
        self.baselines = baselines
        self.model = scorer.metadata
        self.novelty: Novelty | None = None  # the bundle's second opinion
        self.ports: Sequence[str] = ()  # names of the source's bridge ports
        self._scorer = scorer
        self._explainer = explainer
        self._benign = self.model.classes.index(BENIGN)
        self._due: deque[_Due] = deque()
        self._rest: Callable[[], list[Effect]] | None = None  # of what was judged last
        self._unreported: list[Verdict] = []
        self._reported_ns = 0
        self._window_ns = -1
        self._told = 0  # verdicts of that window
        self._untold = 0  # verdicts beyond TOLD_A_WINDOW

    @property
    def waiting(self) -> int:
        """How many hosts of closed windows are not judged yet."""
        return sum(len(due.observations) for due in self._due)

    def feed(self, frames: FrameBatch) -> Outcome:
        """Take in frames; return all that follows from the windows that they close."""
        self.take(frames)
        return self.settle()

    def take(self, frames: FrameBatch, sampled_one_in: Sequence[int] = ()) -> None:
        """Take in frames; what they close waits to be judged.

        Args:
            frames: In the order of their capture.
            sampled_one_in: Of each bridge port: of how many flows one is among the frames.
        """
        self._wait(self.observer.take(frames, sampled_one_in))

    def close_until(self, time_ns: int) -> None:
        """Close the open window if it ended by then: no frame of it will come any more."""
        self._wait(self.observer.close_until(time_ns))

    def judge_some(self) -> Outcome:
        """Judge some hosts of a window, so few that frames can be read in between.

        Who is to be cut off for what these did comes at once, and the rest of it with the next call.
        """
        if self._rest is not None:
            rest, self._rest = self._rest, None
            return Outcome(rest(), [])
        return self._conclude(self._due.popleft()) if self._due else Outcome([], [])

    def settle(self) -> Outcome:
        """Judge all that waits."""
        outcome = Outcome([], [])
        while self._due or self._rest is not None:
            part = self.judge_some()
            outcome.effects.extend(part.effects)
            outcome.judged.extend(part.judged)
        return outcome

    def flush(self) -> Outcome:
        """Close everything that is open: no more frames will come."""
        self._wait(self.observer.close())
        outcome = self.settle()
        effects = [*outcome.effects, *self.policy.flush(), *self._report()]
        return Outcome(effects, outcome.judged)

    def adopt(self, scorer: OnnxScorer, explainer: Explainer, novelty: Novelty | None) -> Outcome:
        """Judge with another model from the next window on.

        Returns:
            What follows from the windows that were closed before: the former model judges these.
        """
        outcome = self.settle()
        effects = [*outcome.effects, *self._report()]  # a report names the model of all its rows
        self.model = scorer.metadata
        self._scorer, self._explainer, self.novelty = scorer, explainer, novelty
        self._benign = self.model.classes.index(BENIGN)
        self.policy.model_id = self.model.model_id
        return Outcome(effects, outcome.judged)

    def dropped(self) -> dict[str, int]:
        """Return everything that was not seen, judged or told as it came, by reason."""
        table = self.baselines.table
        own = {
            "verdicts.untold": self._untold,
            "evicted.baselines": table.evicted,
            "refused.baselines": table.refused,
        }
        return {**self.observer.counters(), **self.policy.dropped, **own}

    def verdict(self, judged: Judged, row: int) -> Verdict:
        """Return one row as a message."""
        return verdict(judged, row, self.model, self.ports)

    def _wait(self, closed: list[Closed]) -> None:
        """Queue windows in pieces whose judging takes milliseconds."""
        for window in closed:
            seen = window.observations
            evident = self._scorer.evident(seen.features)
            self._due.extend(
                _Due(seen.take(part), evident[part], window, part.start)
                for part in _pieces(evident)
            )

    def _conclude(self, due: _Due) -> Outcome:
        """Judge hosts of one window."""
        observations = due.observations
        scores = self._scorer.score(observations.features, due.evident)
        judged = self._second_opinion(judge(observations, scores, self.model))
        start_ns = int(observations.window_start_ns[0])
        if start_ns != self._window_ns:
            self._window_ns, self._told = start_ns, 0
            # Who was ever calm; the observer would tell of windows that are not judged yet.
            self.policy.allowance.hosts_known = self.baselines.table.used
            self.policy.allowance.ports = self.ports
        attacking = due.first + np.flatnonzero(judged.labels != self._benign)
        aims = cache(partial(targets, due.window, due.window.host[attacking]))
        # What strikes is mostly told as well.
        found = cache(partial(self._found, judged, due.first, aims))
        # The closing of alerts and verdicts in the order of time.
        effects = [*self.policy.advance(start_ns), *self._act(judged, due, found)]
        rest = partial(self._explain_and_learn, judged, found)
        if any(isinstance(effect, Isolate) for effect in effects):
            self._rest = rest
        else:
            effects += rest()
        return Outcome(effects, [judged])

    def _explain_and_learn(self, judged: Judged, found: Callable[[int], Verdict]) -> list[Effect]:
        effects = [*self.policy.explain(), *self._keep(judged, found)]
        # What looks like an attack, even a little, must not become usual.
        self.baselines.learn(judged.observations, judged.scores[:, self._benign] >= CALM)
        return effects

    def _second_opinion(self, judged: Judged) -> Judged:
        """Ask about hosts that seem benign and whose usual behaviour is known."""
        if self.novelty is None:
            return judged
        seen = judged.observations
        benign = np.flatnonzero(judged.labels == self._benign)
        rows, usual = self.baselines.known(seen, benign)
        novelty = np.zeros(len(judged), np.float32)
        novelty[rows] = self.novelty.score(seen.features[rows], usual)
        return doubted(judged, novelty, self.novelty.metadata.threshold, self.model)

    def _found(self, judged: Judged, first: int, aims: Callable[[], Targets], row: int) -> Verdict:
        """Return one row as a message, with whom it attacked where that is one peer."""
        found = self.verdict(judged, row)
        if found.label not in ATTACKS:
            return found
        return msgspec.structs.replace(found, aimed_at=aims().part(first + row))

    def _act(self, judged: Judged, due: _Due, found: Callable[[int], Verdict]) -> list[Effect]:
        effects: list[Effect] = []
        for row in np.flatnonzero(judged.labels != self._benign).tolist():
            attack = found(row).label
            if attack in ATTACKS:
                reasons = partial(self._explained, judged, due, row, attack)
                effects += self.policy.strike(found(row), attack, reasons)
        return effects

    def _explained(self, judged: Judged, due: _Due, row: int, attack: AttackType) -> Explanation:
        seen = judged.observations
        features = seen.features[row]
        usual = self.baselines.usual(seen, row)
        if attack == ANOMALY and self.novelty is not None and usual is not None:
            above = self.novelty.spoke(features, usual).astype(np.float64)
            return Explanation(self._explainer.explain(features, above, usual), [])
        spoke = self._explainer.spoke(features, attack)
        plain = exceeded(features, attack, self.model.limits).tolist()
        return Explanation(
            self._explainer.explain(features, spoke, usual, plain),
            self._explainer.counterfactual(features, attack, spoke, self._scorer.score),
            deciding_flow(due.window, due.first + row, attack),
        )

    def _keep(self, judged: Judged, found: Callable[[int], Verdict]) -> list[Effect]:
        """Put aside what the centre should see; return a report when one is due."""
        seen = judged.observations
        now_ns = int(seen.window_start_ns[0])
        host = np.where(seen.is_ip_host, seen.src_ip_low, seen.src_mac)
        turn, second = mixed(host), now_ns // SECOND_NS
        seldom, soon = (
            turn % np.uint64(every) == np.uint64(second % every)
            for every in (BENIGN_EVERY, UNSURE_EVERY)
        )
        mine = seldom | (unsure(judged, self.model) & soon)
        rows = np.flatnonzero(mine | (judged.labels != self._benign))
        told = rows[: max(TOLD_A_WINDOW - self._told, 0)]
        self._told += len(told)
        self._untold += len(rows) - len(told)
        self._unreported += map(found, told.tolist())
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
        one_in = [v.sampled_one_in for v in verdicts]
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
            sampled_one_in=one_in if max(one_in) > 1 else [],
        )


def _pieces(evident: Bool) -> Iterator[slice]:
    """Yield stretches of at most PIECE_ROWS rows of which the model is asked about CHUNK_ROWS."""
    asked = np.cumsum(evident)
    at = 0
    while at < len(evident):
        before = int(asked[at - 1]) if at else 0
        full = int(asked.searchsorted(before + CHUNK_ROWS, "right"))
        yield slice(at, at := min(full, at + PIECE_ROWS, len(evident)))
