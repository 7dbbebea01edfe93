"""Ours: a capture through as much of the detector as is asked for, as `edgewarden-agent replay` does.

Usage: python -m benchmarks.workers.ours frames|features|verdicts FILE
"""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent.capture.pcap import read_frames
from agent.config import AgentConfig
from agent.effects import Publish
from agent.model_bundle import DEFAULT_BUNDLE, load_bundle
from agent.observe import DEFAULT_SEED, Observer
from agent.pipeline import Outcome
from agent.replay import build_pipeline
from contract.messages import Alert


class Told(msgspec.Struct):
    """What came of a capture."""

    packets: int = 0
    rows: int = 0  # observations or verdicts
    alerts: list[tuple[str, str, str | None, str | None, int]] = msgspec.field(
        default_factory=list
    )
    dropped: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Note what followed from some frames."""
        self.rows += sum(len(judged) for judged in outcome.judged)
        for effect in outcome.effects:
            if isinstance(effect, Publish) and isinstance(effect.message, Alert):
                alert = effect.message
                if alert.state == "open" and alert.last_seen_ns == alert.opened_ns:
                    names = alert.attack_type, alert.host, alert.src_mac, alert.bridge_port
                    self.alerts.append((*names, alert.opened_ns))


def frames_only(path: Path) -> Told:
    """Cut the file into frames, and no more."""
    return Told(packets=sum(len(frames) for frames in read_frames(path)))


def features(path: Path) -> Told:
    """Go as far as a feature vector for each host and second."""
    told = Told()
    observer = Observer()
    for frames in read_frames(path):
        told.packets += len(frames)
        told.rows += len(observer.feed(frames))
    told.rows += len(observer.flush())
    return told


def verdicts(path: Path) -> Told:
    """Go all the way: scores by the shipped model, verdicts, policy, explained alerts."""
    told = Told()
    pipeline = build_pipeline(AgentConfig(), load_bundle(DEFAULT_BUNDLE), DEFAULT_SEED)
    for frames in read_frames(path):
        told.packets += len(frames)
        told.add(pipeline.feed(frames))
    told.add(pipeline.flush())
    told.dropped = {name: count for name, count in pipeline.dropped().items() if count}
    return told


STAGES: dict[str, Callable[[Path], Told]] = {
    "frames": frames_only,
    "features": features,
    "verdicts": verdicts,
}

if __name__ == "__main__":
    print(msgspec.json.encode(STAGES[sys.argv[1]](Path(sys.argv[2]))).decode())
