"""What was asked of the engine, and what was reached."""

from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.centre_report import centre_goals
from benchmarks.comparison import Comparison, of_ours
from benchmarks.goal import Goal
from benchmarks.live import HELD, confirmed
from benchmarks.results import Results
from benchmarks.tables import MEBIBYTE, figure, table

# Times our CPU a packet, on the mixed capture.
_TIMES_OURS: Final = {
    "softflowd": 0.5,
    "suricata, no output": 1.5,
    "suricata, flows": 4.0,
    "nfstream": 15.0,
    "scapy sniff(offline)": 100.0,
    "kitsune features": 500.0,
}
_LIVE_TIMES_SCAPY: Final = 100.0
_GROWTH_PACKETS, _GROWTH_HOSTS = 1.3, 2.0
_STEADY_MB, _FLOOD_MB = 150.0, 60.0
_NAMED_S, _START_S = 2.0, 3.0
_QUIET_BYTES_PER_S, _OBSERVED_PER_SENT = 1000.0, 1000.0


def goals(results: Results) -> list[Goal]:
    """Return every goal whose figure was measured."""
    parts: tuple[Callable[[Results], Iterator[Goal]], ...] = (
        _ratios, _live, _growth, _memory, _alerts, _uplink, _centre,
    )  # fmt: skip
    return [goal for part in parts for goal in part(results)]


def goals_table(results: Results) -> str:
    """Return the goals as a table."""
    rows = [
        [
            goal.what,
            f"{goal.sign} {figure(goal.asked)} {goal.unit}",
            "-" if goal.reached is None else f"{figure(goal.reached)} {goal.unit}",
            "yes" if goal.is_met else "no",
        ]
        for goal in goals(results)
    ]
    return table(["goal", "asked", "measured", "met"], rows)


def _ratios(results: Results) -> Iterator[Goal]:
    compared = results.comparisons.get("mixed")
    ours = of_ours(compared) if compared else None
    if compared is None or ours is None:
        return
    for name, asked in _TIMES_OURS.items():
        reached = _net_us(compared, name)
        if reached is not None:
            what = f"CPU a packet of {name} to ours"
            yield Goal(what, asked, ">=", reached / ours.net_us, "x")


def _net_us(compared: Comparison, name: str) -> float | None:
    found = [each.net_us for each in compared.measured if each.name == name and each.usages]
    return found[0] if found else None


def _live(results: Results) -> Iterator[Goal]:
    ours, scapy = (confirmed(results.live, name) for name in ("edgewarden", "scapy"))
    if ours and scapy:
        times = ours.sent_per_s / scapy.sent_per_s
        yield Goal("live rate without loss to scapy's", _LIVE_TIMES_SCAPY, ">=", times, "x")
    peaks = [step.peak_rss_bytes for step in results.live if step.capture == "quiet"]
    quiet_mb = peaks[0] / MEBIBYTE if peaks else 0.0
    for step in results.live:
        peak_mb = step.peak_rss_bytes / MEBIBYTE
        if step.capture == "quiet":
            yield Goal("memory of the live agent, quiet", _STEADY_MB, "<=", peak_mb, "MB")
        elif step.capture in HELD:
            above_mb = peak_mb - quiet_mb
            yield Goal(f"the same above quiet, {step.capture}", _FLOOD_MB, "<=", above_mb, "MB")


def _growth(results: Results) -> Iterator[Goal]:
    named = (
        ("dearest to cheapest, 10^4 to 10^6 packets", _GROWTH_PACKETS, results.growth),
        ("dearest to cheapest, 10 to 10^4 hosts", _GROWTH_HOSTS, results.growth_hosts),
    )
    for what, asked, grown in named:
        costs = [each.cpu_us for each in grown]
        if costs:
            yield Goal(what, asked, "<=", max(costs) / min(costs), "x")


def _memory(results: Results) -> Iterator[Goal]:
    for flood in results.floods:
        if flood.name == "quiet":
            yield Goal("memory, quiet", _STEADY_MB, "<=", flood.peak_rss_bytes / MEBIBYTE, "MB")
        else:
            above = flood.above_quiet_bytes / MEBIBYTE
            yield Goal(f"memory above quiet, {flood.name}", _FLOOD_MB, "<=", above, "MB")


def _alerts(results: Results) -> Iterator[Goal]:
    for flood in results.floods:
        if flood.name.startswith("syn_flood"):
            yield Goal(f"named, {flood.name}", _NAMED_S, "<=", flood.after_s, "s")
    if results.start_up:
        judged_s = results.start_up.first_verdict_s
        yield Goal("start to the first judged window", _START_S, "<=", judged_s, "s")


def _uplink(results: Results) -> Iterator[Goal]:
    for uplink in results.uplinks:
        name = uplink.capture.name
        if name == "quiet":
            sent = uplink.bytes_per_s
            yield Goal("uplink, 50 quiet hosts", _QUIET_BYTES_PER_S, "<=", sent, "B/s")
        elif name != "hosts_10000":
            times = uplink.observed_per_sent
            what = f"observed to sent bytes, {name}"
            yield Goal(what, _OBSERVED_PER_SENT, ">=", times, "x")


def _centre(results: Results) -> Iterator[Goal]:
    if results.centre is not None:
        yield from centre_goals(results.centre)
