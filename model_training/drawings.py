"""Small drawings as SVG: no library, the same bytes whenever the numbers are the same."""

from collections.abc import Sequence
from typing import Final, NamedTuple

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 300, 52, 150, 28, 44
_COLOURS: Final = ("#2f6fb0", "#c2532d", "#3b8f4e", "#8a5fb5", "#b08a1e", "#5b6670", "#b03a6b")


class Line(NamedTuple):
    """One line of a drawing: its name, and its points, x and y from 0 to 1."""

    name: str
    points: Sequence[tuple[float, float]]


def drawing(
    title: str, axes: tuple[str, str], lines: Sequence[Line], ticks: Sequence[tuple[float, str]]
) -> str:
    """Return lines over axes as SVG; the y axis is a share.

    Args:
        title: Above the drawing.
        axes: What x and y are.
        lines: At most as many as there are colours.
        ticks: Places on the x axis (0 to 1) and what stands there.
    """
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"',
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="18" font-size="14">{title}</text>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        body.append(_rule(_LEFT, y, _WIDTH - _RIGHT, y))
        body.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for place, text in ticks:
        body.append(
            f'<text x="{_x(place):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{text}</text>'
        )
    body.append(
        f'<text x="{_x(0.5):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{axes[0]}; up: {axes[1]}</text>'
    )
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in line.points)
        body.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        height = _TOP + 14 + 18 * number
        place = _WIDTH - _RIGHT + 10
        body.append(f'<rect x="{place}" y="{height - 9}" width="10" height="10" fill="{colour}"/>')
        body.append(f'<text x="{place + 16}" y="{height}">{line.name}</text>')
    return "\n".join([*body, "</svg>", ""])


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def _rule(left: float, top: float, right: float, bottom: float) -> str:
    return f'<path d="M{left:.1f} {top:.1f}L{right:.1f} {bottom:.1f}" stroke="#d8dde2"/>'
