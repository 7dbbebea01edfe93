"""The picture of docs/performance.md: CPU a packet beside the peers, and how it grows."""

from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.captures import ROOT
from benchmarks.comparison import Comparison
from benchmarks.ourselves import Growth
from benchmarks.peers import OURS
from benchmarks.results import Results
from benchmarks.tables import figure as digits

PICTURE: Final = ROOT / "docs" / "images" / "performance.png"
_OURS, _PARTS, _THEIRS, _INK = "#0b7a75", "#7cc4bf", "#b9c0c8", "#2b3038"
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8b929b",
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def draw(results: Results) -> None:
    """Write the picture.

    Raises:
        KeyError: The mixed capture was not measured.
    """
    with mpl.rc_context(_STYLE):
        picture = Figure(figsize=(10.5, 5.2), layout="constrained")
        grid: Any = picture.add_gridspec(2, 2, width_ratios=(1.6, 1))
        _bars(picture.add_subplot(grid[:, 0]), results.comparisons["mixed"])
        _curve(picture.add_subplot(grid[0, 1]), results.growth, "packets")
        _curve(picture.add_subplot(grid[1, 1]), results.growth_hosts, "hosts")
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        picture.savefig(PICTURE, dpi=150, metadata={"Software": None})


def _bars(axes: Axes, compared: Comparison) -> None:
    measured = sorted(
        (each for each in compared.measured if each.usages), key=lambda each: each.net_us
    )
    values = [each.net_us for each in measured]
    colours = [
        _OURS if each.name == OURS else _PARTS if each.name.startswith(OURS) else _THEIRS
        for each in measured
    ]
    bars = axes.barh([each.name for each in measured], values, color=colours, height=0.72)
    axes.bar_label(bars, [digits(value) for value in values], padding=3)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 3)
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel("CPU microseconds a packet (log scale; less is better)")
    held = compared.capture
    axes.set_title(
        f"{held.packets / 1e6:.1f} million packets of a home network",
        loc="left",
        fontweight="bold",
    )
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == OURS else "normal")


def _plain(value: float, _: int) -> str:
    return f"{value:,.10g}"


def _curve(axes: Axes, grown: Sequence[Growth], name: str) -> None:
    values = [each.cpu_us for each in grown]
    axes.plot([getattr(each, name) for each in grown], values, "o-", color=_OURS)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, max(values, default=1.0) * 1.3)
    axes.set_xlabel(name)
    axes.set_ylabel("us CPU a packet")
    axes.set_title(f"With more {name}", loc="left", fontweight="bold")
    for each, value in zip(grown, values, strict=True):
        axes.annotate(
            digits(value), (getattr(each, name), value), (0, 6),
            textcoords="offset points", ha="center",
        )  # fmt: skip
