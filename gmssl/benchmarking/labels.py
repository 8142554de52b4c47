"""Labels of points that overlap neither each other, nor points, nor lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import ceil, cos, hypot, pi, sin
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

_DISTANCES = (8, 16, 26, 38, 52, 68)
_DIRECTIONS = (0, 4, 2, 6, 1, 7, 3, 5)
"""In eighths of a circle, the most readable first: right, left, above, below, and between."""
_NEAR = 16
"""Points; a label that is farther off is led to its point by a line."""

Vertices = list[tuple[float, float]]


def place_labels(ax: Axes, points: list[tuple[float, float, str]], lines: list[Vertices]) -> list[Annotation]:
    """Write the name of each point (x, y, name) near it, in data coordinates of a drawn axis.

    Each label takes the first place, from near to far, whose box is inside the axis and meets no earlier label, no
    point and none of the lines (of straight pieces); without such a place, the nearest on the right.
    """
    obstacles = [_box(6, *ax.transData.transform((x, y))) for x, y, _ in points]
    obstacles += [_box(2, *spot) for line in lines for spot in _along(ax.transData.transform(line).tolist())]
    placed = []
    for x, y, name in sorted(points, key=lambda point: (-point[1], point[0])):
        label = ax.annotate(name, (x, y), xytext=(0, 0), textcoords="offset points", fontsize=8)
        for offset in (*_offsets(), next(_offsets())):
            _move(label, offset)
            box = label.get_window_extent()
            if _inside(box, ax.bbox) and not any(box.overlaps(other) for other in obstacles):
                break
        if hypot(*offset) > _NEAR:
            lead = {"arrowstyle": "-", "color": "#9aa3ad", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
            ax.annotate("", (x, y), xytext=offset, textcoords="offset points", arrowprops=lead)
        obstacles.append(label.get_window_extent())
        placed.append(label)
    return placed


def _offsets() -> Iterator[tuple[float, float]]:
    """Offsets in points, from near to far."""
    for distance in _DISTANCES:
        for eighth in _DIRECTIONS:
            yield distance * cos(eighth * pi / 4), distance * sin(eighth * pi / 4)


def _move(label: Annotation, offset: tuple[float, float]) -> None:
    dx, dy = offset
    label.set_position(offset)
    label.set_horizontalalignment("center" if abs(dx) < 1 else "left" if dx > 0 else "right")
    label.set_verticalalignment("center" if abs(dy) < 1 else "bottom" if dy > 0 else "top")


def _along(vertices: Vertices) -> Iterator[tuple[float, float]]:
    """Spots on a line, at most 4 pixels apart."""
    for (x0, y0), (x1, y1) in pairwise(vertices):
        pieces = max(1, ceil(hypot(x1 - x0, y1 - y0) / 4))
        for piece in range(pieces + 1):
            yield x0 + (x1 - x0) * piece / pieces, y0 + (y1 - y0) * piece / pieces


def _inside(box: Bbox, frame: Bbox) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def _box(radius: float, x: float, y: float) -> Bbox:
    from matplotlib.transforms import Bbox

    return Bbox([[x - radius, y - radius], [x + radius, y + radius]])
