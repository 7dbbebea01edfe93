"""Where our time goes: the detector with a timer around each of its parts, set from outside.

Usage: python -m benchmarks.workers.stages FILE
"""

import importlib
import inspect
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.capture.pcap import read_frames
from benchmarks.workers.ours import build

# Every part by the name it has where it is looked up. Time inside another part counts there.
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "decode": ("agent.observe:decode",),
    "windows": ("agent.windows:Windows.cut", "agent.windows:Windows.flush"),
    "payload and answer tables": (
        "agent.features.replay:Payloads.marks",
        "agent.features.services:Services.marks",
    ),
    "named addresses": (
        "agent.features.names:Names.hear",
        "agent.features.names:Names.learn",
        "agent.features.names:Names.count",
    ),
    "flow grouping": ("agent.observe:flows_of",),
    "window's flows": ("agent.observe:merged", "agent.observe:folded"),
    "bindings": ("agent.bindings:Bindings.learn",),
    "homes": ("agent.homes:Homes.learn",),
    "hosts": ("agent.hosts:HostTable.assign",),
    "features, volume": ("agent.features.volume:count",),
    "features, fan-out": ("agent.features.fan_out:FanOut.count",),
    "features, TCP": ("agent.features.tcp:count",),
    "features, ARP": ("agent.features.arp:AddressClaims.count",),
    "features, replay": ("agent.features.replay:count",),
    "features, timing": ("agent.features.timing:Timing.count",),
    "features, services": ("agent.features.services:Services.count",),
    "histories": ("agent.features.vector:Histories.vectors",),
    "scoring": ("agent.scoring:OnnxScorer.score",),
    "baselines": ("agent.baselines:Baselines.learn",),
    "explaining": ("agent.explain:Explainer.explain", "agent.explain:Explainer.counterfactual"),
    "verdicts and policy": ("agent.pipeline:Pipeline._conclude",),
}
FILE_WALK: Final = "file walk"
REST: Final = "everything else"


class Timer:
    """Adds up what each part took without the parts inside it."""

    def __init__(self) -> None:
        self.spent_ns: Counter[str] = Counter()
        self._inside: list[str] = [REST]
        self._since_ns = time.process_time_ns()

    def enter(self, part: str) -> None:
        """Begin a part."""
        self._switch()
        self._inside.append(part)

    def leave(self) -> None:
        """Go back to what was before."""
        self._switch()
        self._inside.pop()

    def _switch(self) -> None:
        now_ns = time.process_time_ns()
        self.spent_ns[self._inside[-1]] += now_ns - self._since_ns
        self._since_ns = now_ns

    def steps(self, part: str, items: Iterable[Any]) -> Iterator[Any]:
        """Time what makes each item."""
        iterator = iter(items)
        while True:
            self.enter(part)
            item = next(iterator, self)
            self.leave()
            if item is self:
                return
            yield item

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is timed."""

        @wraps(work)
        def steps(*arguments: object, **named: object) -> Iterator[Any]:
            return self.steps(part, work(*arguments, **named))

        @wraps(work)
        def whole(*arguments: object, **named: object) -> object:
            self.enter(part)
            try:
                return work(*arguments, **named)
            finally:
                self.leave()

        return steps if inspect.isgeneratorfunction(work) else whole


def attach(timer: Timer) -> None:
    """Put the timer around every part.

    Raises:
        SystemExit: A part has another name by now.
    """
    for part, places in PARTS.items():
        for place in places:
            module, _, names = place.partition(":")
            *owners, name = names.split(".")
            try:
                owner: Any = importlib.import_module(module)
                for each in owners:
                    owner = getattr(owner, each)
                setattr(owner, name, timer.timed(part, getattr(owner, name)))
            except (ImportError, AttributeError) as error:
                sys.exit(f"{place} is gone ({error}): PARTS in {__file__} has the old name")


def main() -> None:
    """Judge a file; print nanoseconds by part."""
    timer = Timer()
    attach(timer)
    pipeline = build()
    timer.enter(REST)
    timer.spent_ns.clear()
    packets = 0
    for frames in timer.steps(FILE_WALK, read_frames(Path(sys.argv[1]))):
        packets += len(frames)
        pipeline.feed(frames)
    pipeline.flush()
    timer.leave()
    told = {"packets": packets, "spent_ns": dict(timer.spent_ns)}
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    main()
