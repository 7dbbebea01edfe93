"""What was measured of the aggregator, as tables and goals."""

from collections.abc import Iterator

from benchmarks.centre import Centre, Run
from benchmarks.goal import Goal
from benchmarks.tables import MEBIBYTE, figure, table
from benchmarks.workers.centre_load import Told

_ROWS_PER_S, _COMMIT_S, _CORES, _MB = 50_000.0, 1.0, 0.6, 400.0
_READ_MS, _OVERVIEW_MS = 200.0, 50.0
_EVENTS_PER_S, _EVENT_MS = 95_000.0, 300.0
_ALERT_MS, _FLEET_CORES = 500.0, 1.0
_START_S, _END_S = 5.0, 5.0
_ROW_BYTES, _PARQUET_BYTES = 200.0, 60.0


def centre_tables(centre: Centre) -> str:
    """Return what was measured, in words and tables."""
    runs = {
        "20 agents' verdicts": centre.rows,
        "watchers": centre.watchers,
        "the same and stuck ones": centre.stuck,
        "a fleet's health": centre.fleet,
    }
    heads = [
        "told",
        "sent/s",
        "rows stored/s",
        "receipted p50 ms",
        "p99 ms",
        "cores",
        "MB",
        "load",
    ]
    told = table(heads, [_told(name, run) for name, run in runs.items()])
    heads = ["read while rows come in", "times", "p50 ms", "p99 ms"]
    reads = [
        [name, f"{each.count}", figure(each.p50_ms), figure(each.p99_ms)]
        for name, each in centre.rows.reads.items()
    ]
    heads_watched = ["watched", "events/s delivered", "p50 ms", "p99 ms", "told to be slow"]
    watched = [_watched(name, run) for name, run in runs.items() if run.watched]
    rest = (
        f"It serves {centre.start_s:.1f} s after its start with {centre.log_bytes / 1e6:.0f} MB of "
        f"write-ahead log to read in, and is gone {centre.end_s:.1f} s after SIGTERM. A verdict row takes "
        f"{centre.bytes_a_row:.0f} bytes in DuckDB and {centre.parquet_bytes_a_row:.0f} in Parquet."
    )
    return "\n\n".join([told, table(heads, reads), table(heads_watched, watched), rest])


def centre_goals(centre: Centre) -> Iterator[Goal]:
    """Yield what was asked of it."""
    rows = centre.rows
    yield Goal("verdict rows from broker to DuckDB", _ROWS_PER_S, ">=", _per_s(rows.told), "/s")
    yield Goal("publish to commit, p99", _COMMIT_S, "<=", rows.told.delays.p99_ms / 1000, "s")
    yield Goal("cores at that", _CORES, "<=", rows.cores, "cores")
    yield Goal("memory at that", _MB, "<=", rows.cost.peak_rss_bytes / MEBIBYTE, "MB")
    slowest = max(each.p99_ms for each in rows.reads.values())
    yield Goal("slowest dashboard read at that, p99", _READ_MS, "<=", slowest, "ms")
    yield Goal("overview at that, p99", _OVERVIEW_MS, "<=", rows.reads["overview"].p99_ms, "ms")
    for name, run in (("watchers", centre.watchers), ("beside stuck ones", centre.stuck)):
        if run.watched:
            per_s = run.watched.events / run.watched.seconds
            yield Goal(f"events delivered, {name}", _EVENTS_PER_S, ">=", per_s, "/s")
            p99_ms = run.watched.delays.p99_ms
            yield Goal(f"event to watcher, {name}, p99", _EVENT_MS, "<=", p99_ms, "ms")
    if centre.fleet.watched:
        p99_ms = centre.fleet.watched.delays.p99_ms
        yield Goal(
            "cores at a fleet's health and alerts", _FLEET_CORES, "<=", centre.fleet.cores, "cores"
        )
        yield Goal("alert from broker to WebSocket at that, p99", _ALERT_MS, "<=", p99_ms, "ms")
    yield Goal("start with a full write-ahead log", _START_S, "<=", centre.start_s, "s")
    yield Goal("SIGTERM to exit", _END_S, "<=", centre.end_s, "s")
    yield Goal("a verdict row in DuckDB", _ROW_BYTES, "<=", centre.bytes_a_row, "bytes")
    yield Goal(
        "a verdict row in Parquet", _PARQUET_BYTES, "<=", centre.parquet_bytes_a_row, "bytes"
    )


def _per_s(told: Told) -> float:
    """Return rows by the time from the first that was due to the last receipt."""
    return told.rows / (told.seconds + told.delays.most_ms / 1000)


def _told(name: str, run: Run) -> list[str]:
    told = run.told
    return [
        name,
        f"{told.sent / told.seconds:,.0f}",
        f"{_per_s(told):,.0f}",
        figure(told.delays.p50_ms),
        figure(told.delays.p99_ms),
        figure(run.cores),
        f"{run.cost.peak_rss_bytes / MEBIBYTE:.0f}",
        figure(run.cost.load),
    ]


def _watched(name: str, run: Run) -> list[str]:
    seen = run.watched
    if seen is None:
        return []
    return [
        name,
        f"{seen.events / seen.seconds:,.0f}",
        figure(seen.delays.p50_ms),
        figure(seen.delays.p99_ms),
        f"{seen.notices}",
    ]
