"""The dot plot of a report: a panel for each benchmark, a row for each encoder, seeds, mean and both intervals."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from gmssl.downstream.reporting.judged import Judged, values_of
from gmssl.downstream.reporting.looks import looks
from gmssl.downstream.reporting.numbers import scale, shown
from gmssl.downstream.reporting.report import Report
from gmssl.system.pages.theme import Theme, new_figure, shortened
from gmssl.system.statistics import summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_BESIDE = 2.0
"""How many times the spread of all seeds an axis may reach beyond them; two seeds have intervals without end."""
_THIN = 2.0
"""Width below which a line has ends, so that a short one is seen."""
_ABOVE = 0.16
"""How far the interval over seeds stands above the row, and that over patients below."""


def dots(report: Report, theme: Theme) -> Figure:
    """Draw it."""
    panels = report.judged
    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    labels = [shortened(name, 26) for name in report.encoders]
    width = max(5.2, 3.3 * columns + 0.075 * max(map(len, labels)))
    height = rows * (1.0 + max(0.42 * len(labels), 0.8)) + 0.5
    figure = new_figure(width, height)
    found = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for ax, one in zip(found, panels, strict=False):
        _panel(ax, one, report, theme, labels)
    for ax in found[len(panels) :]:
        ax.set_visible(False)
    handles = {label: handle for ax in found for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles.values(),
        handles,
        loc="outside lower center",
        ncols=min(len(handles), max(2, round(width / 2.2))),
        frameon=False,
        fontsize=9,
        numpoints=1,
    )
    return figure


def _panel(ax: Axes, judged: Judged, report: Report, theme: Theme, labels: list[str]) -> None:
    by, look = scale(judged.metric), looks(report.encoders)
    values, ends = list[float](), list[float]()
    for row, encoder in enumerate(report.encoders):
        result = judged.named(encoder)
        measured = None if result is None else result.scores.get(judged.metric)
        if measured is None or measured.mean is None:
            continue
        seeds, colour = [by * value for value in values_of(measured).values()], look[encoder].colour
        summary = summarise(dict(enumerate(seeds)))
        assert summary is not None
        ax.plot(seeds, [row] * len(seeds), "o", color=theme.quiet, markersize=4, label="one seed", zorder=3)
        ax.plot([summary.mean], [row], "D", color=colour, markersize=7, markeredgecolor=theme.page, zorder=4)
        if summary.interval is not None:
            _bar(ax, summary.interval, row - _ABOVE, colour, 3.2)
            ends += summary.interval
        if measured.interval is not None:
            patients = (by * measured.interval[0], by * measured.interval[1])
            _bar(ax, patients, row + _ABOVE, colour, 1.1)
            ends += patients
        values += seeds
    _human(ax, judged, theme, by, values)
    _dress(ax, judged, theme, labels, values, ends)


def _bar(ax: Axes, interval: tuple[float, float], at: float, colour: str, width: float) -> None:
    marker = "|" if width < _THIN else ""
    ax.plot(
        interval, [at, at], color=colour, linewidth=width, marker=marker, markersize=6, zorder=2, solid_capstyle="butt"
    )


def _human(ax: Axes, judged: Judged, theme: Theme, by: float, values: list[float]) -> None:
    human = judged.any.scores.get(f"observer {judged.metric}")
    if human is not None and human.mean is not None:
        ax.axvline(by * human.mean, color=theme.ink, linewidth=1.3, linestyle="--", label="second observer", zorder=1)
        values.append(by * human.mean)


def _dress(ax: Axes, judged: Judged, theme: Theme, labels: list[str], values: list[float], ends: list[float]) -> None:
    ax.set_title(textwrap.fill(judged.name, 34), fontsize=10, loc="left")
    ax.set_xlabel(f"{shown(judged.metric, judged.higher)}{' in %' if judged.share else ''}", fontsize=9)
    ax.set_yticks(range(len(labels)), labels, fontsize=9)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.grid(True, axis="x", linewidth=0.5, alpha=0.5)
    ax.set_axisbelow(True)
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    for width, label, marker in ((3.2, "95 % over seeds", ""), (1.1, "95 % over patients or cases", "|")):
        ax.plot([], [], color=theme.ink, linewidth=width, marker=marker, markersize=6, label=label)
    ax.plot([], [], "D", color=theme.ink, markersize=7, label="mean")
    if values:
        _limit(ax, judged, values, ends)


def _limit(ax: Axes, judged: Judged, values: list[float], ends: list[float]) -> None:
    low, high = min(values), max(values)
    beyond = _BESIDE * (high - low) or abs(high) * 0.05 or 1.0
    left, right = max(min([*ends, low]), low - beyond), min(max([*ends, high]), high + beyond)
    if judged.share:
        left, right = (max(left, 0.0), min(right, 100.0)) if low >= 0 else (left, min(right, 100.0))
    margin = 0.05 * (right - left) or beyond
    ax.set_xlim(left - margin, right + margin)
