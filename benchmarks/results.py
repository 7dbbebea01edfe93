"""Everything that was measured, as it is kept from run to run in .cache/bench/results.json."""

from typing import Final

import msgspec

from benchmarks.captures import CACHE
from benchmarks.centre import Centre
from benchmarks.comparison import Comparison
from benchmarks.live import Step
from benchmarks.ourselves import Flood, Growth, Stages, StartUp
from benchmarks.uplink import Counted, Uplink

_FILE: Final = CACHE / "results.json"


class Results(msgspec.Struct):
    """The last figures of every part; what was not measured is empty."""

    measured: dict[str, str] = {}  # part -> date
    machine: dict[str, str] = {}
    comparisons: dict[str, Comparison] = {}
    stages: list[Stages] = []
    growth: list[Growth] = []
    growth_hosts: list[Growth] = []
    floods: list[Flood] = []
    start_up: StartUp | None = None
    uplinks: list[Uplink] = []
    counted: Counted | None = None
    live: list[Step] = []
    centre: Centre | None = None
    untold: list[str] = []  # why something is missing, a line each


def load() -> Results:
    """Return what earlier runs left, or nothing."""
    try:
        return msgspec.json.decode(_FILE.read_bytes(), type=Results)
    except (FileNotFoundError, msgspec.MsgspecError):
        return Results()


def save(results: Results) -> None:
    """Keep the figures."""
    _FILE.parent.mkdir(parents=True, exist_ok=True)
    _FILE.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def updated(old: Results, new: Results) -> Results:
    """Return the newer figures of every part that was measured, and the old ones of the others."""
    kept = {name: getattr(new, name) or getattr(old, name) for name in Results.__struct_fields__}
    kept["measured"] = {**old.measured, **new.measured}
    kept["comparisons"] = {**old.comparisons, **new.comparisons}
    kept["untold"] = new.untold
    return Results(**kept)
