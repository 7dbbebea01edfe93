"""The figures as text: for the terminal, and between the markers of docs/performance.md."""

from typing import Final

from benchmarks.captures import ROOT
from benchmarks.centre_report import centre_tables
from benchmarks.comparison import Comparison
from benchmarks.goals import goals, goals_table
from benchmarks.live import confirmed
from benchmarks.ourselves import Flood, Growth
from benchmarks.results import Results
from benchmarks.tables import MEBIBYTE, comparison_table, figure, notes, table

PAGE: Final = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_FIRST: Final = "mixed"  # where it is told what each program does
_WORDS: Final = {
    _FIRST: "A home network with video, MQTT, HTTP, TLS, CoAP, DNS, IPv6, tags and fragments; "
    "4 s of SYN flood and 4 s of port scan",
    "bundled": "The demo's recording of a small network, thirty times",
    "syn_flood": "A million SYNs in 10 s, each from another source address",
    "port_scan": "All 65,535 ports of ten hosts, and their refusals",
    "hosts_10000": "The mix of applications among 10,000 hosts",
}


def text(results: Results) -> str:
    """Return everything that was measured."""
    parts = [
        _machine(results),
        *(_compared(each) for each in results.comparisons.values()),
        _stages(results),
        _growth(results),
        _floods(results),
        _live(results),
        _uplink(results),
        _centre(results),
        _goals(results),
    ]
    return "\n\n".join(part for part in parts if part)


def write_page(results: Results) -> None:
    """Put the figures between the page's markers."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = page.index(_BEGIN) + len(_BEGIN), page.index(_END)
    PAGE.write_text(f"{page[:begin]}\n\n{text(results)}\n\n{page[end:]}", encoding="utf-8")


def _section(title: str, *parts: str) -> str:
    return "\n\n".join([f"## {title}", *(part for part in parts if part)])


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _machine(results: Results) -> str:
    dates = sorted(set(results.measured.values()))
    rows = [[name, what] for name, what in results.machine.items()]
    rows.append(["measured", " to ".join(dict.fromkeys([*dates[:1], *dates[-1:]]))])
    lines = [f"- {name}: {what}" for name, what in rows if what]
    return _section("The machine", "\n".join([*lines, *(f"- {why}" for why in results.untold)]))


def _compared(compared: Comparison) -> str:
    held = compared.capture
    title = f"Beside other tools: {held.name}"
    about = (
        f"{_WORDS.get(held.name, held.name)}: {held.packets:,} packets, "
        f"{held.wire_bytes / MEBIBYTE:,.0f} MB in {held.seconds:,.0f} s; "
        f"{f'medians of {compared.rounds} rounds' if compared.rounds > 1 else 'one round'}."
    )
    does = [f"{each.name}: {each.does}" for each in compared.measured if held.name == _FIRST]
    return _section(title, about, comparison_table(compared), _listed([*notes(compared), *does]))


def _stages(results: Results) -> str:
    """Show by part what a packet costs, and what a second does."""
    if not results.stages:
        return ""
    heads, rows = ["part"], {part: [part] for part in [*results.stages[0].spent_ns, "together"]}
    for spent in results.stages:
        heads += [f"{spent.name} ns/packet", "us/second of traffic"]
        whole = {**spent.spent_ns, "together": sum(spent.spent_ns.values())}
        for part, row in rows.items():
            ns = whole.get(part, 0.0)
            row += [figure(ns / spent.packets), figure(ns / spent.seconds / 1000)]
    return _section("Where our time goes", table(heads, list(rows.values())))


def _growth(results: Results) -> str:
    if not results.growth:
        return ""
    heads = [
        "capture",
        "hosts",
        "seconds",
        "rows judged",
        "us CPU/packet",
        "with fixed",
        "peak RSS MB",
    ]
    rows = [_grown(each) for each in [*results.growth, *results.growth_hosts]]
    fixed_ms = results.growth[0].fixed_s * 1e3
    fixed = f"Fixed is what a capture of twenty packets costs: {figure(fixed_ms)} ms."
    return _section("How the cost grows", table(heads, rows), fixed)


def _grown(grown: Growth) -> list[str]:
    return [
        f"{grown.packets:,} packets",
        f"{grown.hosts:,}",
        f"{grown.seconds:.1f}",
        f"{grown.rows:,}",
        figure(grown.cpu_us),
        figure(grown.gross_us),
        f"{grown.peak_rss_bytes / MEBIBYTE:.0f}",
    ]


def _floods(results: Results) -> str:
    if not results.floods:
        return ""
    heads = [
        "capture",
        "us CPU/packet",
        "peak RSS MB",
        "above quiet",
        "named after",
        "as",
        "others accused",
    ]
    shown = table(heads, [_flooded(each) for each in results.floods])
    started = results.start_up
    told = (
        f"The program judges its first window {started.first_verdict_s:.2f} s after its start, "
        f"the service watches after {started.watching_s:.2f} s."
        if started
        else ""
    )
    return _section("Under attack", shown, told)


def _flooded(flood: Flood) -> list[str]:
    named = "-" if flood.after_s is None else f"{flood.after_s:.1f} s"
    return [
        flood.name,
        figure(flood.cpu_us),
        f"{flood.peak_rss_bytes / MEBIBYTE:.0f}",
        f"{flood.above_quiet_bytes / MEBIBYTE:+.0f} MB",
        named,
        flood.alert or "-",
        str(flood.others_accused),
    ]


def _live(results: Results) -> str:
    if not results.live:
        return ""
    heads = ["watcher", "frames of", "sent/s", "sent", "lost", "left out", "CPU s", "peak RSS MB"]
    rows = [
        [
            step.watcher,
            step.capture,
            f"{step.sent_per_s:,.0f}",
            f"{step.sent:,}",
            f"{step.sent - step.seen - step.left_out:,}",
            f"{step.left_out:,}",
            f"{step.cpu_s:.1f}",
            f"{step.peak_rss_bytes / MEBIBYTE:.0f}",
        ]
        for step in results.live
    ]
    names = dict.fromkeys(step.watcher for step in results.live)
    told = [_held(results, name) for name in names]
    return _section("Live", table(heads, rows), _listed(told))


def _held(results: Results, watcher: str) -> str:
    held = confirmed(results.live, watcher)
    if held is None:
        return f"{watcher}: no rate held twice"
    first = next(step for step in results.live if step.watcher == watcher)
    limit = "; the sender went no faster" if first.is_whole else ""
    return f"{watcher}: {held.sent_per_s:,.0f} frames/s without loss{limit}"


def _uplink(results: Results) -> str:
    if not results.uplinks:
        return ""
    rows = [
        [
            each.capture.name,
            f"{sum(each.messages.values())}",
            f"{sum(each.sent_bytes.values()):,}",
            f"{each.bytes_per_s:,.0f}",
            f"{each.observed_per_sent:,.0f}",
        ]
        for each in results.uplinks
    ]
    heads = ["capture", "messages", "bytes", "bytes/s", "observed bytes for each"]
    counted = results.counted
    told = (
        f"On a real line (agent, mosquitto, aggregator) {counted.up_bytes:,} bytes went up and "
        f"{counted.down_bytes:,} came down while the quiet capture played for "
        f"{counted.seconds:.0f} s: {counted.up_bytes / counted.seconds:.0f} B/s."
        if counted
        else ""
    )
    return _section("The uplink", table(heads, rows), told)


def _centre(results: Results) -> str:
    return _section("The aggregator", centre_tables(results.centre)) if results.centre else ""


def _goals(results: Results) -> str:
    if not goals(results):
        return ""
    return _section("Asked and reached", goals_table(results))
