"""What was usual for each host when each of its windows was judged, by the agent's own baselines."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agent.baselines import Baselines
from agent.novelty import deviations
from agent.records import F32, I64, Bool, Observations
from model_training.captures import Capture
from model_training.dataset import recall


class Deviating(NamedTuple):
    """How far hosts go beyond what is usual for them, where that is known."""

    rows: I64  # of all observations, ascending
    far: F32  # (rows, features)


def deviating(captures: Sequence[Capture], cache: Path, calm: Bool, columns: I64) -> Deviating:
    """Let baselines go through all captures of each origin in their order, and compare hosts with themselves.

    A capture is minutes long, and an agent knows its hosts for longer: who has the same address in
    another capture of the same origin is the same host.

    Args:
        captures: In the dataset's order.
        cache: Where they are kept as observed.
        calm: Of which of all observations the agent would have learned, shape (n,).
        columns: Of the features that are compared.

    Returns:
        The rows whose hosts were known well enough.
    """
    at = 0
    homes: dict[str, list[tuple[int, Observations]]] = defaultdict(list)
    for capture in captures:
        seen, _ = recall(capture, cache)
        if len(seen):
            homes[capture.entry.origin.name].append((at, seen))
        at += len(seen)
    found = [_of_home(parts, calm, columns) for parts in homes.values()]
    rows = np.concatenate([rows for rows, _ in found])
    order = np.argsort(rows)
    return Deviating(rows[order], np.concatenate([far for _, far in found])[order])


def _of_home(parts: list[tuple[int, Observations]], calm: Bool, columns: I64) -> Deviating:
    baselines = Baselines(0)
    rows, far = [np.empty(0, np.int64)], [np.empty((0, len(columns)), np.float32)]
    for at, seen in sorted(parts, key=lambda part: int(part[1].window_start_ns[0])):
        ends = np.flatnonzero(np.diff(seen.window_start_ns)) + 1
        for begin, end in zip([0, *ends], [*ends, len(seen)], strict=True):
            window = seen.take(slice(begin, end))
            known, usual = baselines.known(window, np.arange(len(window)))
            rows.append(at + begin + known)
            far.append(deviations(window.features[np.ix_(known, columns)], usual[:, columns]))
            baselines.learn(window, calm[at + begin : at + end])
    return Deviating(np.concatenate(rows), np.concatenate(far))
