"""How many frames a second can be watched live: a veth pair in a network namespace, and no loss.

The namespace belongs to a process of its own, so that it vanishes with it, whatever happens.
Usage, inside it: python -m benchmarks.live search CAPTURE WATCHER... | steps CAPTURE WATCHER RATE...
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.captures import ROOT, capture
from benchmarks.measure import CommandError
from benchmarks.ourselves import AGENT
from benchmarks.peers import PEERS_PYTHON, WORKERS

SENDING, WATCHING = "bench0", "bench1"
_FRAMES_OF: Final = "mixed"
# Captures whose frames are sent once more at these rates, for the memory that ours takes.
HELD: Final = {"quiet": 500.0, "syn_flood": 100_000.0, "syn_flood_macs": 100_000.0}
STEP_S: Final = 4.0
_SETTLE_S: Final = 1.5  # for what is in the ring, and the last window
_PATIENCE_S, _LOOK_S = 30.0, 0.05
# The counters of frames that were not taken in, however the log writes them.
_LOST: Final = re.compile(r"((?:ring_full|sampled_out|dropped)_\w+)\W+(\d+)")
_STEPS: Final = 9
_NEAR: Final = 1.08  # as a ratio: no need to look closer
_CONFIRMATIONS: Final = 3
_LOWER: Final = 0.85
_SENDERS_CORE, _WATCHERS_CORE = "0", "1"
_CORES: Final = 2
_PRIORITY: Final = "-15"
_LEAST, _MOST = 1_000.0, 2_000_000.0  # frames/s


class Step(msgspec.Struct, frozen=True):
    """One rate: what was sent and what was seen."""

    watcher: str
    capture: str  # whose frames were sent
    wanted_per_s: float
    sent_per_s: float
    sent: int
    seen: int
    dropped: dict[str, int]
    cpu_s: float
    peak_rss_bytes: int

    @property
    def is_whole(self) -> bool:
        """Whether every frame was taken in, and none was sampled away."""
        return self.seen == self.sent and not any(self.dropped.values())

    @property
    def left_out(self) -> int:
        """How many frames were left out on purpose."""
        return sum(n for reason, n in self.dropped.items() if reason.startswith("sampled_out"))


class Told(msgspec.Struct):
    """A line of a watcher's log."""

    event: str
    frames: int = 0


def missing() -> str | None:
    """Return why this cannot run, and what to do; None where it can."""
    if os.geteuid() != 0:
        return "live: run the benchmark as root, for a network namespace"
    if (os.cpu_count() or 1) < _CORES:
        return "live: two cores are needed, one to send and one to watch"
    absent = [name for name in ("unshare", "ip", "taskset", "nice") if not shutil.which(name)]
    return (
        f"live: {', '.join(absent)} missing: apt install util-linux iproute2" if absent else None
    )


def has_scapy() -> bool:
    """Return whether the peers' Python is there."""
    return PEERS_PYTHON.exists()


def live(watchers: Sequence[str]) -> list[Step]:
    """Search each watcher's highest rate without loss, then flood ours; return every step.

    Raises:
        CommandError: The kernel has no namespaces or veth, or a watcher does not start.
    """
    searched = _inside("search", _FRAMES_OF, *watchers)
    held = [step for name, rate in HELD.items() for step in steps("edgewarden", [rate], name)]
    return [*searched, *held]


def steps(watcher: str, rates: Sequence[float], name: str) -> list[Step]:
    """Try some rates of a capture's frames.

    Raises:
        CommandError: As by `live`.
    """
    return _inside("steps", name, watcher, *map(str, rates))


def _inside(order: str, name: str, *arguments: str) -> list[Step]:
    capture(name)
    inside = ["unshare", "--net", sys.executable, "-m", "benchmarks.live", order, name]
    done = subprocess.run([*inside, *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        message = f"live: ended with {done.returncode}"
        raise CommandError(message)
    return msgspec.json.decode(done.stdout, type=list[Step])


def best(steps: Sequence[Step], watcher: str) -> Step | None:
    """Return the fastest step without loss."""
    whole = [step for step in steps if step.watcher == watcher and step.is_whole]
    return max(whole, key=lambda step: step.sent_per_s, default=None)


def confirmed(steps: Sequence[Step], watcher: str) -> Step | None:
    """Return the last step of a search, which confirms its result, if it did."""
    mine = [step for step in steps if (step.watcher, step.capture) == (watcher, _FRAMES_OF)]
    return mine[-1] if mine and mine[-1].is_whole else None


def _link() -> None:
    """Make the veth pair in this namespace, without what the kernel says by itself."""
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    make = ["ip", "link", "add", SENDING, "type", "veth", "peer", "name", WATCHING]
    subprocess.run(make, check=True)
    for name in (SENDING, WATCHING):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)


def _command(watcher: str) -> list[str]:
    if watcher == "edgewarden":
        return [str(AGENT), "run"]
    return [str(PEERS_PYTHON), str(WORKERS / "scapy_live.py"), WATCHING]


def _step(watcher: str, frames_per_s: float, name: str) -> Step:
    """Start a watcher, send for some seconds, end it, and compare the counts."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process = _started(watcher, Path(folder), log)
        try:
            _await_line(log, "watching", process)
            sent = _send(frames_per_s, name)
            time.sleep(_SETTLE_S)
            process.send_signal(signal.SIGTERM)
            stopped = _await_line(log, "stopped", process)
            _, _, used = os.wait4(process.pid, 0)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    step = Step(
        watcher,
        name,
        frames_per_s,
        sent["sent"] / sent["seconds"],
        int(sent["sent"]),
        msgspec.json.decode(stopped, type=Told).frames,
        {reason: int(count) for reason, count in _LOST.findall(stopped) if int(count)},
        used.ru_utime + used.ru_stime,
        used.ru_maxrss * 1024,
    )
    told = f"{step.sent_per_s:,.0f}/s, seen {step.seen:,} of {step.sent:,}"
    sys.stderr.write(f"live {watcher}: {told}\n")
    return step


def _started(watcher: str, folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    settings = {
        "EDGEWARDEN_CAPTURE__INTERFACES": f'["{WATCHING}"]',
        "EDGEWARDEN_SPOOL__PATH": f"{folder}/spool.sqlite",
    }
    with log.open("wb") as file:
        return subprocess.Popen(
            [*_on_core(_WATCHERS_CORE), *_command(watcher)],
            stdout=file,
            stderr=file,
            env={**os.environ, **settings},
        )


def _on_core(core: str) -> list[str]:
    """Return how to run a program on one core, before whatever else the machine does."""
    return ["nice", "-n", _PRIORITY, "taskset", "-c", core]


def _send(frames_per_s: float, name: str) -> dict[str, float]:
    path = str(capture(name).path)
    order = [*_on_core(_SENDERS_CORE), sys.executable, "-m", "benchmarks.workers.sender"]
    order += [SENDING, WATCHING, path, str(frames_per_s), str(STEP_S)]
    done = subprocess.run(order, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=dict[str, float])


def _await_line(log: Path, event: str, process: "subprocess.Popen[bytes]") -> str:
    """Return the line of a log that tells of an event."""
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        for line in log.read_text().splitlines():
            with suppress(msgspec.MsgspecError):
                if msgspec.json.decode(line, type=Told).event == event:
                    return line
        if ended:
            break
        time.sleep(_LOOK_S)
    message = f"live: no word of {event!r}: {log.read_text()[-300:]}"
    raise CommandError(message)


def _search(watcher: str, name: str) -> list[Step]:
    """Halve the distance, as ratios go, between what was whole and what was not; then confirm."""
    tried = [_step(watcher, _MOST, name)]
    low, high = _LEAST, min(_MOST, tried[0].sent_per_s)
    while not tried[0].is_whole and len(tried) < _STEPS and high / low > _NEAR:
        tried.append(_step(watcher, (low * high) ** 0.5, name))
        reached = tried[-1].sent_per_s
        low, high = (reached, high) if tried[-1].is_whole else (low, reached)
    return tried + _confirmed(watcher, name, tried)


def _confirmed(watcher: str, name: str, tried: Sequence[Step]) -> list[Step]:
    """Repeat the best rate; where it does not hold, go lower until one does, twice at most."""
    held = best(tried, watcher)
    wanted = held.wanted_per_s if held else _LEAST
    again: list[Step] = []
    while len(again) < _CONFIRMATIONS and not (again and again[-1].is_whole):
        again.append(_step(watcher, wanted * _LOWER ** len(again), name))
    return again


def main() -> int:
    """Try rates, or search for them, in this namespace."""
    order, name, *rest = sys.argv[1:]
    _link()
    if order == "steps":
        found = [_step(rest[0], float(rate), name) for rate in rest[1:]]
    else:
        found = [step for watcher in rest for step in _search(watcher, name)]
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
