"""The time–quality picture: which solver is the fastest at the quality it gives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import ceil, cos, hypot, pi, sin
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.benchmarking.solvers.contestants import REFERENCE
from gmssl.benchmarking.solvers.report import Report, Row, SizeReport
from gmssl.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
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


FLAT = 0.01
"""Gaps in % below which the axis is linear, so that 0 has a place."""

_FRONT, _OTHER, _REFERENCE = "#0b7a75", "#8d99ae", "#c8553d"


def front(points: Vertices) -> list[int]:
    """Indices of the points that no other point beats, by increasing time.

    A point (time, gap) beats another if it is no larger in both and smaller in one; of equal points the first counts.
    """
    kept: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        if not kept or points[index][1] < points[kept[-1]][1]:
            kept.append(index)
    return kept


def draw(report: Report) -> Figure:
    """One panel for each size: µs an instance (log) against the mean relative gap (linear below 0.01 %)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sizes = [size for size in report.sizes if size.rows]
    figure = Figure(figsize=(5.6 * max(1, len(sizes)), 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, max(1, len(sizes)), sharey=True, squeeze=False)[0]
    lines = [_panel(ax, size) for ax, size in zip(panels, sizes, strict=False)]
    top = max((_gap(row) for size in sizes for row in size.rows), default=0)
    panels[0].set_ylim(-FLAT / 2, max(200, 2 * top))
    panels[0].set_ylabel("mean gap above the best known energy, %")
    figure.canvas.draw()  # only now are positions in pixels known
    figure.set_layout_engine("none")
    for ax, size, drawn in zip(panels, sizes, lines, strict=False):
        place_labels(ax, [(row.wall_us, _gap(row), row.solver) for row in size.rows], drawn)
    return figure


def save(report: Report, path: Path) -> None:
    """Write the picture as PNG."""
    with replacing(path) as file:
        draw(report).savefig(file, format="png", dpi=130)


def _gap(row: Row) -> float:
    return 100 * row.relative_gap


def _panel(ax: Axes, size: SizeReport) -> list[Vertices]:
    """Draw points and lines; returns the lines."""
    points = [(row.wall_us, _gap(row)) for row in size.rows]
    best = front(points)
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=FLAT, linscale=0.5)
    ax.set_yticks([0, 0.01, 0.1, 1, 10, 100], ["0", "0.01", "0.1", "1", "10", "100"])
    ax.minorticks_off()
    ax.grid(True, color="#e6e8ec", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.set_title(f"n = {size.n}", fontsize=11)
    ax.set_xlabel("µs an instance, one thread")
    lines = [_steps([points[i] for i in best])]
    ax.plot(*zip(*lines[0], strict=True), color=_FRONT, linewidth=1.3)
    for index, (row, (x, y)) in enumerate(zip(size.rows, points, strict=True)):
        colour = _REFERENCE if row.kind == REFERENCE else _FRONT if index in best else _OTHER
        ax.plot([x], [y], "o", color=colour, markersize=6, zorder=3)
        if row.building_us is not None:
            lines.append([(x, y), (x + row.building_us, y)])
            ax.plot(*zip(*lines[-1], strict=True), color=colour, linewidth=1.3, marker="|", markevery=[1])
    times = [x for x, _ in points]
    ax.set_xlim(min(times) / 3, max(times) * 6)
    return lines


def _steps(points: Vertices) -> Vertices:
    """The corners of the border of what the points beat: right, then down."""
    corners = [(x, y) for (_, y), (x, _) in pairwise(points)]
    return [vertex for pair in zip(points, [*corners, points[-1]], strict=True) for vertex in pair]
