"""Ours alone: time by part, growth with packets and hosts, and what floods do to memory and alerts."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from agent.addresses import mac_text
from agent.allowance import REMAINDER
from benchmarks.captures import (
    ATTACK_BEGIN_S,
    BY_HOSTS,
    BY_PACKETS,
    Capture,
    capture,
)
from benchmarks.measure import CommandError, Usage, run, warm
from benchmarks.traffic import ATTACKER_MAC, START_NS
from benchmarks.workers.ours import Told

_WORKER: Final = [sys.executable, "-m", "benchmarks.workers.ours", "verdicts"]
AGENT: Final = Path(sys.executable).parent / "edgewarden-agent"
# Whom an alert may rightly name: senders too many to tell apart are judged together.
_ATTACKER: Final = {
    "syn_flood": {mac_text(int(ATTACKER_MAC))},
    "syn_flood_macs": {REMAINDER},
    "port_scan": {mac_text(int(ATTACKER_MAC))},
}
_ANY: Final = "tiny"  # what it costs, every capture does
_WARM_UP: Final = f"growth_{BY_PACKETS[1]}_packets"
FLOODS: Final = ("syn_flood", "syn_flood_macs", "port_scan", "hosts_10000")


class Spent(msgspec.Struct, frozen=True):
    """What the stages worker says."""

    packets: int
    spent_ns: dict[str, int]


class Stages(msgspec.Struct, frozen=True):
    """Nanoseconds by part that a capture took, the dearest part first."""

    name: str
    packets: int
    seconds: float
    spent_ns: dict[str, float]


class Growth(msgspec.Struct, frozen=True):
    """What a packet cost in a capture of some size; CPU without starting.

    `cpu_us` is without what any capture costs, be it of twenty packets; that is `fixed_s`, measured
    in the same rounds.
    """

    packets: int
    hosts: int
    seconds: float
    cpu_us: float
    rows: int  # hosts judged, each once a second
    peak_rss_bytes: float
    fixed_s: float = 0.0

    @property
    def gross_us(self) -> float:
        """CPU microseconds a packet, with what any capture costs."""
        return self.cpu_us + self.fixed_s / self.packets * 1e6


class Flood(msgspec.Struct, frozen=True):
    """What an attack did to the detector, and how soon it was named."""

    name: str
    packets: int
    cpu_us: float
    peak_rss_bytes: float
    above_quiet_bytes: float
    alert: str | None  # what the first one says of the attacker
    after_s: float | None  # from the first attack frame, in the data's time
    others_accused: int
    dropped: dict[str, int]


class StartUp(msgspec.Struct, frozen=True):
    """Seconds of the wall clock from the start of the program."""

    first_verdict_s: float
    watching_s: float


def stages(name: str, rounds: int) -> Stages:
    """Return where the time goes on a capture, the median of some rounds.

    Raises:
        CommandError: A part was renamed, as the message says.
    """
    given = capture(name)
    warm(given.path)
    command = [sys.executable, "-m", "benchmarks.workers.stages", str(given.path)]
    told = [
        msgspec.json.decode(run(command, keeps_output=True).output, type=Spent).spent_ns
        for _ in range(rounds)
    ]
    parts = {part for each in told for part in each}
    spent = {part: float(median(each.get(part, 0) for each in told)) for part in parts}
    dearest = dict(sorted(spent.items(), key=lambda item: -item[1]))
    return Stages(name, given.packets, max(given.seconds, 1.0), dearest)


def growth(rounds: int) -> tuple[list[Growth], list[Growth]]:
    """Return what packets cost, by number of packets and by number of hosts."""
    by_packets = [f"growth_{count}_packets" for count in BY_PACKETS]
    by_hosts = [f"growth_{count}_hosts" for count in BY_HOSTS]
    names = [*by_packets, *by_hosts]
    runs: dict[str, list[tuple[Usage, Told]]] = {name: [] for name in [_ANY, *names]}
    for _ in range(rounds):
        for name, told in runs.items():
            told.append(judged(capture(name)))
    fixed_s = median(told.cpu_s for _, told in runs[_ANY])
    grown = [_growth(name, runs[name], fixed_s) for name in names]
    return grown[: len(by_packets)], grown[len(by_packets) :]


def judged(given: Capture) -> tuple[Usage, Told]:
    """Judge a capture in a process of its own that has warmed up on another one."""
    warm(given.path)
    usage = run([*_WORKER, str(given.path), str(capture(_WARM_UP).path)], keeps_output=True)
    return usage, msgspec.json.decode(usage.output, type=Told)


def _growth(name: str, runs: Sequence[tuple[Usage, Told]], fixed_s: float) -> Growth:
    given = capture(name)
    cpu_s = median(told.cpu_s for _, told in runs)
    return Growth(
        packets=given.packets,
        hosts=given.hosts,
        seconds=given.seconds,
        cpu_us=max(cpu_s - fixed_s, 0.0) / given.packets * 1e6,
        rows=runs[-1][1].rows,
        peak_rss_bytes=median(usage.peak_rss_bytes for usage, _ in runs),
        fixed_s=fixed_s,
    )


def floods(rounds: int) -> list[Flood]:
    """Return what each attack did, beside the quiet network that it came over."""
    names = ("quiet", *FLOODS)
    runs = {name: [judged(capture(name)) for _ in range(rounds)] for name in names}
    peaks = {
        name: median(usage.peak_rss_bytes for usage, _ in each) for name, each in runs.items()
    }
    return [
        _flood(name, peaks[name], peaks["quiet"], [told for _, told in runs[name]])
        for name in names
    ]


def _flood(name: str, peak: float, quiet: float, told: Sequence[Told]) -> Flood:
    begin_ns = START_NS + int(ATTACK_BEGIN_S * 1e9)
    mine = [alert for alert in told[0].alerts if alert.host in _ATTACKER.get(name, set())]
    first = min(mine, key=lambda alert: alert.opened_ns) if mine else None
    packets = told[0].packets
    return Flood(
        name=name,
        packets=packets,
        cpu_us=median(each.cpu_s for each in told) / packets * 1e6,
        peak_rss_bytes=peak,
        above_quiet_bytes=peak - quiet,
        alert=f"{first.attack} by {first.host}" if first else None,
        after_s=(first.opened_ns - begin_ns) / 1e9 if first else None,
        others_accused=len(told[0].alerts) - len(mine),
        dropped=told[0].dropped,
    )


def start_up(rounds: int) -> StartUp:
    """Return how long the real program takes until it judges and until it watches."""
    given = str(capture("quiet").path)
    replay = ["replay", "--output", "verdicts", given]
    watch = ["run", "--replay", given]
    return StartUp(
        median(_seconds_until(b'"verdict"', replay) for _ in range(rounds)),
        median(_seconds_until(b'"watching"', watch) for _ in range(rounds)),
    )


def _seconds_until(word: bytes, arguments: Sequence[str]) -> float:
    """Start the agent's program; return when a line says the word, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "EDGEWARDEN_SPOOL__PATH": f"{folder}/spool.sqlite"}
        started_s = time.perf_counter()
        process = subprocess.Popen(
            [AGENT, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        lines: list[bytes] = []
        with process:
            assert process.stdout is not None  # noqa: S101  (asked for above)
            for line in process.stdout:
                lines.append(line)
                if word in line:
                    break
            took_s = time.perf_counter() - started_s
            process.kill()
    if not lines or word not in lines[-1]:
        message = f"edgewarden-agent never said {word.decode()}: {b''.join(lines)[-200:].decode()}"
        raise CommandError(message)
    return took_s
