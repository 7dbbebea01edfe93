"""Ours and the peers on one capture, in turns: everybody once a round, so that noise hits all alike."""

import re
import sys
from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from benchmarks.captures import CACHE, Capture, capture
from benchmarks.measure import CommandError, Usage, run, warm
from benchmarks.peers import OURS, Peer


class Measured(msgspec.Struct):
    """One program on one capture: each round's usage, and that on a capture of a few packets."""

    name: str
    does: str
    version: str
    packets: int
    seen: int | None = None  # packets that the program says it took in
    usages: list[Usage] = msgspec.field(default_factory=list)
    empty: list[Usage] = msgspec.field(default_factory=list)
    failed: str | None = None

    @property
    def gross_us(self) -> float:
        """CPU microseconds a packet, starting included."""
        return median(each.cpu_s for each in self.usages) / self.packets * 1e6

    @property
    def start_s(self) -> float:
        """CPU seconds of the same program on a few packets."""
        return median(each.cpu_s for each in self.empty)

    @property
    def net_us(self) -> float:
        """CPU microseconds a packet, without those of starting."""
        net_s = median(each.cpu_s for each in self.usages) - self.start_s
        return max(net_s, 0.0) / self.packets * 1e6

    @property
    def packets_per_s(self) -> float:
        """By the wall clock, starting included."""
        return self.packets / median(each.wall_s for each in self.usages)

    @property
    def peak_rss_bytes(self) -> float:
        """Of its largest process."""
        return median(each.peak_rss_bytes for each in self.usages)

    @property
    def output(self) -> str:
        """What the last run said."""
        return self.usages[-1].output


class Comparison(msgspec.Struct):
    """Everybody on one capture."""

    capture: Capture
    rounds: int
    measured: list[Measured]
    absent: list[str]  # a line each


def compare(
    name: str, peers: Sequence[Peer], rounds: int, most_packets: int | None = None
) -> Comparison:
    """Measure some programs on a capture.

    Args:
        name: Of the capture.
        peers: Who; those that cannot run are told in `absent`.
        rounds: How often each.
        most_packets: For a quick look: nobody gets more.
    """
    (CACHE / "output").mkdir(parents=True, exist_ok=True)
    absent = [why for peer in peers if (why := peer.missing())]
    present = [peer for peer in peers if not peer.missing()]
    inputs = {peer.name: _input(name, peer, most_packets) for peer in present}
    measured = {
        peer.name: Measured(peer.name, peer.does, peer.version(), inputs[peer.name].packets)
        for peer in present
    }
    for turn in range(rounds):
        for peer in _rotated(present, turn):
            _measure(peer, inputs[peer.name], measured[peer.name])
    return Comparison(capture(name, most_packets), rounds, list(measured.values()), absent)


def _input(name: str, peer: Peer, most_packets: int | None) -> Capture:
    limits = [limit for limit in (peer.most_packets, most_packets) if limit]
    whole = capture(name)
    return capture(name, min(limits)) if limits and min(limits) < whole.packets else whole


def _rotated(peers: Sequence[Peer], turn: int) -> Iterator[Peer]:
    at = turn % max(len(peers), 1)
    yield from peers[at:]
    yield from peers[:at]


def _measure(peer: Peer, given: Capture, measured: Measured) -> None:
    """Run a program on a few packets and on the capture; what fails once is not tried again."""
    if measured.failed:
        return
    try:
        measured.empty.append(run(peer.command(capture("tiny")), keeps_output=True))
        warm(given.path)
        usage = run(peer.command(given), keeps_output=True)
    except CommandError as error:
        measured.failed = str(error)
        return
    measured.usages.append(usage)
    if peer.counted:
        found = re.findall(peer.counted, usage.output)
        numbers = [
            number for match in found for number in ([match] if isinstance(match, str) else match)
        ]
        measured.seen = sum(int(number) for number in numbers if number)
    sys.stderr.write(f"{given.path.name} {peer.name}: {usage.cpu_s:.2f} s of CPU\n")


def of_ours(comparison: Comparison) -> Measured | None:
    """Return how we did, all the way to verdicts."""
    ours = [each for each in comparison.measured if each.name == OURS and each.usages]
    return ours[0] if ours else None
