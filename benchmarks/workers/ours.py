"""Ours: a capture through as much of the detector as is asked for, as `edgewarden-agent replay` does.

Usage: python -m benchmarks.workers.ours frames|features|verdicts FILE [WARM_UP_FILE]
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the program does, before numpy is loaded

import msgspec

from agent.capture.pcap import read_frames
from agent.config import AgentConfig
from agent.effects import Publish
from agent.model_bundle import DEFAULT_BUNDLE, load_bundle
from agent.observe import DEFAULT_SEED, Observer
from agent.pipeline import Outcome, Pipeline
from agent.replay import build_pipeline
from contract.messages import Alert
from runtime.memory import settle_memory


class Opened(msgspec.Struct, frozen=True):
    """An alert when it opened, in the data's time."""

    attack: str
    host: str
    opened_ns: int
    bridge_port: str | None


class Told(msgspec.Struct):
    """What came of a capture; `cpu_s` is without imports and the loading of the model."""

    packets: int = 0
    rows: int = 0  # observations or verdicts
    cpu_s: float = 0.0
    alerts: list[Opened] = msgspec.field(default_factory=list)
    dropped: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Note what followed from some frames."""
        self.rows += sum(len(judged) for judged in outcome.judged)
        for effect in outcome.effects:
            message = effect.message if isinstance(effect, Publish) else None
            if isinstance(message, Alert) and message.state == "open":
                self.open(message)

    def open(self, alert: Alert) -> None:
        """Note an alert that is told for the first time."""
        opened = Opened(alert.attack_type, alert.host, alert.opened_ns, alert.bridge_port)
        if opened not in self.alerts:
            self.alerts.append(opened)


def build() -> Pipeline:
    """Return the detector with the model that ships."""
    return build_pipeline(AgentConfig(), load_bundle(DEFAULT_BUNDLE), DEFAULT_SEED)


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
    pipeline = build()
    started_s = time.process_time()
    for frames in read_frames(path):
        told.packets += len(frames)
        told.add(pipeline.feed(frames))
    told.add(pipeline.flush())
    told.cpu_s = time.process_time() - started_s
    told.dropped = {name: count for name, count in pipeline.dropped().items() if count}
    return told


STAGES: dict[str, Callable[[Path], Told]] = {
    "frames": frames_only,
    "features": features,
    "verdicts": verdicts,
}


def main() -> None:
    """Judge the file; with a second one, that first, so that everything was used once."""
    stage, path, *before = sys.argv[1:]
    settle_memory()  # as the program does
    for each in before:
        STAGES[stage](Path(each))
    sys.stdout.write(msgspec.json.encode(STAGES[stage](Path(path))).decode() + "\n")


if __name__ == "__main__":
    main()
