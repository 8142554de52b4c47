"""The results of a sweep as a dot plot: a row for each cell, one dot a seed, and the mean with its 95 % interval."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from gmssl.sweeping.beside import UNTRAINED
from gmssl.sweeping.results import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOT, _MEAN, _FIRST, _GRID = "#5c677d", "#0b7a75", "#6b7280", "#e6e8ec"
_REFERENCES = {UNTRAINED: ("#c8553d", "--"), "pixels": ("#7b5ea7", ":")}
_COLUMNS, _EVALUATIONS = 3, 4
"""Panels side by side; four where there are as many evaluations, so that those stand in one row."""

_BESIDE = 3.0
"""How many times the spread of the dots an axis may reach beyond them; few seeds have intervals without end."""

_DECADES = 30.0
"""Largest over smallest loss from which on an axis is logarithmic: losses of different methods share no scale."""

_LONGEST = 30


def draw(sections: Sequence[Section]) -> Figure:
    """One panel for each metric, evaluations first; what untrained encoders and raw pixels reach is a line across."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    own = [section for section in sections if not section.metric.reference]
    evaluations = [section for section in own if section.references]
    shown = [*evaluations, *(section for section in own if section not in evaluations)]
    columns = min(_EVALUATIONS if len(evaluations) >= _EVALUATIONS else _COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    labels = [_label(line.settings) for line in shown[0].lines]
    width = 3.1 * columns + 0.085 * max(map(len, labels))
    figure = Figure(figsize=(max(width, 4.5), rows * (0.8 + max(0.3 * len(labels), 0.7)) + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for ax, section in zip(panels, shown, strict=False):
        _panel(ax, section, labels)
    for ax in panels[len(shown) :]:
        ax.set_visible(False)
    handles = {label: handle for ax in panels for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    across = max(2, min(len(handles), round(figure.get_figwidth() / 1.75)))
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=across, fontsize=9, frameon=False, numpoints=1
    )
    return figure


def to_png(sections: Sequence[Section]) -> bytes:
    """The picture."""
    file = BytesIO()
    draw(sections).savefig(file, format="png", dpi=130)
    return file.getvalue()


def _label(settings: Sequence[str]) -> str:
    """The values of a cell; the tables name the settings."""
    return " · ".join(s if len(s) <= _LONGEST else f"{s[: _LONGEST - 1]}…" for s in settings)


def _panel(ax: Axes, section: Section, labels: Sequence[str]) -> None:
    _dress(ax, section, labels)
    scale = 100 if section.metric.share else 1
    first = section.lines[0].summary
    if first is not None:
        ax.axvline(scale * first.mean, color=_FIRST, linewidth=0.9, label="mean of the first", zorder=1)
    for row, line in enumerate(section.lines):
        values = [scale * value for value in line.by_seed.values()]
        ax.plot(
            values,
            [row] * len(values),
            "o",
            color=_DOT,
            markersize=5,
            markeredgecolor="white",
            label="one seed",
            zorder=5,
        )
        if line.summary is None:
            continue
        mean = scale * line.summary.mean
        if line.summary.interval is not None:
            ends = [scale * end for end in line.summary.interval]
            ax.plot(ends, [row] * 2, color=_MEAN, linewidth=2, zorder=2, solid_capstyle="butt", label="95 % interval")
        ax.plot([mean], [row], "|", color=_MEAN, markersize=11, markeredgewidth=2.4, label="mean", zorder=4)
    _cross(ax, section)
    _limit(ax, section)


def _cross(ax: Axes, section: Section) -> None:
    """Lines of untrained encoders and pixels, across the rows of the cells that they are compared with."""
    for reference in section.references:
        kind = reference.name.partition(",")[0]
        colour, style = _REFERENCES[kind]
        rows = [row for row, line in enumerate(section.lines) if line.name in reference.beside]
        if reference.summary is not None:
            at = 100 * reference.summary.mean
            ends = (
                [(row - 0.5, row + 0.5) for row in rows] if len(rows) < len(section.lines) else [(-0.6, rows[-1] + 0.6)]
            )
            for end in ends:
                ax.plot([at, at], end, color=colour, linestyle=style, linewidth=1.4, label=kind, zorder=1.5)


def _dress(ax: Axes, section: Section, labels: Sequence[str]) -> None:
    ax.set_title(textwrap.fill(section.metric.heading, 38), fontsize=10, loc="left")
    ax.set_yticks(range(len(labels)), labels, fontsize=9)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.grid(True, axis="x", color=_GRID, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8, axis="x")
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    for row, line in enumerate(section.lines[1:], start=1):
        if len(line.settings) > 1 and line.settings[0] != section.lines[row - 1].settings[0]:
            ax.axhline(row - 0.5, color=_GRID, linewidth=1, zorder=0)  # between the values of the first axis


def _limit(ax: Axes, section: Section) -> None:
    """Dots stay apart from each other even where the interval of two seeds reaches far beyond them."""
    scale = 100 if section.metric.share else 1
    dots = [scale * value for line in (*section.lines, *section.references) for value in line.by_seed.values()]
    ends = [
        scale * end for line in section.lines if line.summary and line.summary.interval for end in line.summary.interval
    ]
    low, high = min(dots), max(dots)
    if not section.metric.share and low > 0 and high / low > _DECADES:
        ax.set_xscale("log")
        ax.set_xlim(low / 1.5, high * 1.5)
        return
    beyond = _BESIDE * (high - low) or abs(high) * 0.05 or 1.0
    left, right = max(min([*ends, low]), low - beyond), min(max([*ends, high]), high + beyond)
    if section.metric.share:
        left, right = max(left, 0.0), min(right, 100.0)
    margin = 0.05 * (right - left) or beyond
    ax.set_xlim(left - margin, right + margin)
