"""Bytes that would leave for the broker while a capture is judged: every message, encoded and framed.

Usage: python -m benchmarks.workers.uplink FILE
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from agent.app import HEALTH_S
from agent.capture.pcap import read_frames
from agent.config import AgentConfig
from agent.effects import Effect, Publish
from agent.health import HealthReporter, Seen
from agent.pipeline import Pipeline
from benchmarks.workers.ours import build
from contract.codec import encode
from contract.messages import AnyMessage, Envelope
from contract.topics import LEAVES, topic_for

_CONFIG: Final = AgentConfig()
_HEALTH_NS: Final = int(HEALTH_S * 1e9)
# Of an MQTT 5 PUBLISH beside topic and payload: type, length, topic length, packet id, properties.
_FRAMING_BYTES: Final = 1 + 3 + 2 + 2 + 1


class Uplink:
    """Counts what is told, as the publisher would send it."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.sent_bytes: Counter[str] = Counter()

    def tell(self, message: AnyMessage) -> None:
        """Count one message."""
        seq = self.messages.total() + 1
        data = encode(Envelope(boot="0123456789abcdef", seq=seq, floor=seq, message=message))
        topic = topic_for(message, _CONFIG.organization, _CONFIG.device_id)
        leaf = LEAVES[type(message)]
        self.messages[leaf] += 1
        self.sent_bytes[leaf] += len(data) + len(topic) + _FRAMING_BYTES

    def perform(self, effects: list[Effect]) -> None:
        """Count what the effects tell."""
        for effect in effects:
            if isinstance(effect, Publish):
                self.tell(effect.message)


def _health(reporter: HealthReporter, pipeline: Pipeline, now_ns: int) -> AnyMessage:
    observer, policy = pipeline.observer, pipeline.policy
    seen = Seen(observer.frames, observer.windows, observer.hosts_known, policy.alerts)
    queued = {"alerts": 0, "health": 0, "verdicts": 0}
    return reporter.report(now_ns, policy.mode, seen, pipeline.dropped(), queued)


def main() -> None:
    """Judge a capture; print messages and bytes by kind."""
    pipeline, uplink = build(), Uplink()
    reporter = HealthReporter(pipeline.model.model_id)
    due_ns = 0
    # In small batches, so that reports of health fall between the windows as they do live.
    for frames in read_frames(Path(sys.argv[1]), batch_frames=1024):
        now_ns = int(frames.time_ns[-1])
        if now_ns >= due_ns:
            uplink.tell(_health(reporter, pipeline, now_ns))
            due_ns = now_ns + _HEALTH_NS
        uplink.perform(pipeline.feed(frames).effects)
    uplink.perform(pipeline.flush().effects)
    told = {"messages": dict(uplink.messages), "sent_bytes": dict(uplink.sent_bytes)}
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    main()
