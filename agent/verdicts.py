"""What scores mean: a label per observation, and the verdict in words that travel."""

from collections.abc import Sequence

import msgspec
import numpy as np

from agent.addresses import ip_text, mac_text
from agent.records import F32, I64, Bool, Observations
from contract.attacks import ANOMALY, BENIGN, Label
from contract.messages import Verdict
from contract.model_metadata import ModelMetadata


class Judged(msgspec.Struct, frozen=True, eq=False):
    """Observations with what the model said of them, row by row."""

    observations: Observations
    scores: F32  # (n, classes)
    labels: I64  # index into the model's classes, len(classes) for Anomaly; shape (n,)
    novelty: F32 | None = None  # (n,), where a second opinion was asked for

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)


def judge(observations: Observations, scores: F32, model: ModelMetadata) -> Judged:
    """Conclude: the likeliest attack class whose score reaches its threshold, else benign."""
    thresholds = np.array([model.thresholds.get(name, 2.0) for name in model.classes], np.float32)
    reached = np.where(scores >= thresholds, scores, np.float32(-1.0))
    best = reached.argmax(axis=1)
    found = reached[np.arange(len(scores)), best] >= 0
    labels = np.where(found, best, model.classes.index(BENIGN))
    return Judged(observations, scores, labels)


def doubted(judged: Judged, novelty: F32, threshold: float, model: ModelMetadata) -> Judged:
    """Call an anomaly what no class explains, though it is novel.

    Args:
        judged: What the classifier said.
        novelty: How novel each row is, shape (n,).
        threshold: From which a row is novel.
        model: Whose classes the scores belong to.
    """
    benign = judged.labels == model.classes.index(BENIGN)
    labels = np.where(benign & (novelty >= threshold), len(model.classes), judged.labels)
    return Judged(judged.observations, judged.scores, labels, novelty)


def unsure(judged: Judged, model: ModelMetadata) -> Bool:
    """Return which rows are called benign although an attack is likelier than that, shape (n,)."""
    benign = model.classes.index(BENIGN)
    torn: Bool = (judged.scores.argmax(axis=1) != benign) & (judged.labels == benign)
    return torn


def verdict(judged: Judged, row: int, model: ModelMetadata, ports: Sequence[str]) -> Verdict:
    """Return one row as a message.

    Args:
        judged: What was judged.
        row: Which row.
        model: Whose classes the scores belong to.
        ports: Names of the source's bridge ports.
    """
    seen = judged.observations
    port = int(seen.bridge_port[row])
    scored: list[tuple[Label, float]] = [
        *zip(model.classes, judged.scores[row].tolist(), strict=True)
    ]
    anomalous = judged.labels[row] == len(model.classes)
    if anomalous and judged.novelty is not None:
        scored.append((ANOMALY, float(judged.novelty[row])))
    src_mac = mac_text(int(seen.src_mac[row]))
    src_ip = ip_text(int(seen.src_ip_high[row]), int(seen.src_ip_low[row]))
    return Verdict(
        window_start_ns=int(seen.window_start_ns[row]),
        window_end_ns=int(seen.window_end_ns[row]),
        host=src_ip if seen.is_ip_host[row] and src_ip else src_mac,
        src_mac=src_mac,
        src_ip=src_ip,
        dst_ip=ip_text(int(seen.dst_ip_high[row]), int(seen.dst_ip_low[row])),
        bridge_port=ports[port] if port < len(ports) else None,
        label=ANOMALY if anomalous else model.classes[int(judged.labels[row])],
        scores={name: min(max(round(score, 6), 0.0), 1.0) for name, score in scored},
        packets=int(seen.packets[row]),
        wire_bytes=int(seen.wire_bytes[row]),
        sampled_one_in=int(seen.sampled_one_in[row]),
        shared_mac=bool(seen.shared_mac[row]),
    )
