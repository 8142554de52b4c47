"""The results of a sweep as a dot plot: one dot a seed, the mean and its 95 % interval below them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from gmssl.sweeping.results import Section, references

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOT, _MEAN, _REFERENCE, _GUIDE = "#8d99ae", "#0b7a75", "#c8553d", "#c9ced6"
_MEAN_LABEL = "mean and 95 % interval"
_COLUMNS = 3
_BESIDE = 3.0
"""How many times the spread of the dots an axis may reach beyond them; few seeds have intervals without end."""


def draw(sections: Sequence[Section]) -> Figure:
    """One panel for each metric; a reference (untrained, pixels) is a mark in the panel of what it is compared with."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [section for section in sections if not section.metric.reference]
    columns = min(_COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    cells = len(shown[0].lines)
    names = max(len(line.cell) for line in shown[0].lines)
    width = 3.9 * columns + min(0.075 * names, 5)
    figure = Figure(figsize=(width, rows * (0.8 + 0.46 * cells) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for ax, section in zip(panels, shown, strict=False):
        _panel(ax, section, references(section, sections))
    for ax in panels[len(shown) :]:
        ax.set_visible(False)
    handles = {label: handle for ax in panels for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=2 if columns == 1 else 5, fontsize=8, frameon=False
    )
    return figure


def to_png(sections: Sequence[Section]) -> bytes:
    """The picture."""
    file = BytesIO()
    draw(sections).savefig(file, format="png", dpi=130)
    return file.getvalue()


def _panel(ax: Axes, section: Section, beside: Sequence[Section]) -> None:
    scale = 100 if section.metric.share else 1
    lines = section.lines
    ax.set_title(section.metric.heading, fontsize=10, loc="left")
    ax.set_yticks(range(len(lines)), [line.cell for line in lines], fontsize=8)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.grid(True, axis="x", color="#e6e8ec", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    if lines[0].summary is not None:
        ax.axvline(
            scale * lines[0].summary.mean,
            color=_GUIDE,
            linewidth=1,
            linestyle="--",
            label="mean of the first",
            zorder=1,
        )
    for row, line in enumerate(lines):
        values = [scale * value for value in line.by_seed.values()]
        ax.plot(
            values, [row - 0.13] * len(values), "o", color=_DOT, markersize=5, alpha=0.75, label="one seed", zorder=3
        )
        if line.summary is not None:
            mean = scale * line.summary.mean
            if line.summary.interval is not None:
                ends = [scale * end for end in line.summary.interval]
                ax.plot(ends, [row + 0.13] * 2, color=_MEAN, linewidth=1.6, zorder=2, solid_capstyle="butt")
            ax.plot([mean], [row + 0.13], "D", color=_MEAN, markersize=5, label=_MEAN_LABEL, zorder=4)
    marks = _references(ax, beside)
    _limit(ax, section, marks)


def _references(ax: Axes, beside: Sequence[Section]) -> list[float]:
    """Draw the means of untrained encoder and pixels; returns where they are."""
    places = []
    for section, mark in zip(beside, ("|", "x"), strict=False):
        points = [(100 * line.summary.mean, row) for row, line in enumerate(section.lines) if line.summary]
        label = section.metric.title.rpartition(", ")[2]
        ax.plot(*zip(*points, strict=True), mark, color=_REFERENCE, markersize=8, zorder=2, label=label)
        places += [x for x, _ in points]
    return places


def _limit(ax: Axes, section: Section, marks: Sequence[float]) -> None:
    """Dots stay apart from each other even where the interval of two seeds reaches far beyond them."""
    scale = 100 if section.metric.share else 1
    dots = [*(scale * value for line in section.lines for value in line.by_seed.values()), *marks]
    ends = [
        scale * end for line in section.lines if line.summary and line.summary.interval for end in line.summary.interval
    ]
    low, high = min(dots), max(dots)
    beyond = _BESIDE * (high - low) or abs(high) * 0.05 or 1.0
    left, right = max(min([*ends, low]), low - beyond), min(max([*ends, high]), high + beyond)
    if section.metric.share:
        left, right = max(left, 0.0), min(right, 100.0)
    margin = 0.05 * (right - left) or beyond
    ax.set_xlim(left - margin, right + margin)
