"""The time–quality picture: which solver is the fastest at the quality it gives."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.benchmarking.labels import Vertices, place_labels
from gmssl.benchmarking.presets import REFERENCE
from gmssl.benchmarking.report import Report, Row, SizeReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    draw(report).savefig(path, format="png", dpi=130)


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
