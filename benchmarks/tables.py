"""Results as Markdown tables, which a terminal shows as well."""

from collections.abc import Sequence
from typing import Final

from benchmarks.comparison import Comparison, Measured, of_ours

MEBIBYTE: Final = 1024 * 1024
_LIMIT_TOLD: Final = 0.99  # of the packets given; who saw fewer is told


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    lines[1] = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    )


def figure(value: float) -> str:
    """Return a number with three digits that count."""
    if value >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def ratio(theirs_us: float, ours_us: float) -> str:
    """Return how many times our CPU a packet costs them."""
    return f"{figure(theirs_us / ours_us)}x" if ours_us > 0 else "-"


def comparison_table(comparison: Comparison) -> str:
    """Return one row a program: CPU, speed, memory, and how many times our CPU it took."""
    ours = of_ours(comparison)
    rows = [_row(each, ours) for each in comparison.measured if each.usages]
    heads = [
        "program",
        "packets",
        "us CPU/packet",
        "with start",
        "packets/s",
        "peak RSS MB",
        "CPU to ours",
    ]
    return table(heads, rows)


def _row(each: Measured, ours: Measured | None) -> list[str]:
    return [
        f"{each.name} {each.version}",
        f"{each.packets:,}",
        figure(each.net_us),
        figure(each.gross_us),
        f"{each.packets_per_s:,.0f}",
        f"{each.peak_rss_bytes / MEBIBYTE:,.0f}",
        ratio(each.net_us, ours.net_us) if ours else "-",
    ]


def notes(comparison: Comparison) -> list[str]:
    """Return a line for each thing that the table does not show."""
    lines = [*comparison.absent]
    for each in comparison.measured:
        if each.failed:
            lines.append(f"{each.name} failed: {each.failed}")
        elif each.seen is not None and each.seen < each.packets * _LIMIT_TOLD:
            lines.append(f"{each.name} took in {each.seen:,} of {each.packets:,} packets")
    return lines
