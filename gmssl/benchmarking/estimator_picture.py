"""How near estimates come to the exact gradient, as a dot plot: one draw, and the mean of many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.benchmarking.estimators import PROBLEMS, EstimatorReport, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ONE, _MEAN, _RULE = "#0b7a75", "#c8553d", "#e6e8ec"


def draw(report: EstimatorReport) -> Figure:
    """A row of panels for each kind of problem, a column for each temperature, a line for each estimator."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    temperatures = list(dict.fromkeys(row.temperature for row in report.rows))
    by_problem = [[row for row in report.rows if row.problem == problem] for problem in PROBLEMS]
    shown = [rows for rows in by_problem if rows]
    heights = [len({row.name for row in rows}) for rows in shown]
    size = (2.2 + 3.1 * len(temperatures), 1.2 + sum(0.8 + 0.23 * height for height in heights))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(shown), len(temperatures), squeeze=False, sharex=True, height_ratios=heights)
    for line, rows in zip(panels, shown, strict=True):
        for column, (ax, temperature) in enumerate(zip(line, temperatures, strict=True)):
            _panel(ax, [row for row in rows if row.temperature == temperature], column == 0)
            ax.set_title(f"{rows[0].problem}, temperature {temperature:g}", fontsize=9, loc="left")
    for ax in panels[-1]:
        ax.set_xlabel("cosine with the exact gradient", fontsize=9)
        ax.set_xticks([0, 0.5, 1])
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def save(report: EstimatorReport, path: Path) -> None:
    """Write the picture as PNG."""
    draw(report).savefig(path, format="png", dpi=130)


def _panel(ax: Axes, rows: list[Row], named: bool) -> None:
    places = range(len(rows))
    cosines = [row.measures["cosine"] for row in rows]
    ends = [(c.low, c.high) if c.low is not None and c.high is not None else (c.mean, c.mean) for c in cosines]
    ax.hlines(places, [low for low, _ in ends], [high for _, high in ends], color=_ONE, linewidth=1.4, zorder=2)
    ax.plot([c.mean for c in cosines], places, "o", color=_ONE, markersize=4.5, label="one estimate", zorder=3)
    sines = [min(row.measures["direction"].mean, 1.0) for row in rows]
    means = [(1 - sine * sine) ** 0.5 for sine in sines]
    ax.plot(means, places, "D", color=_MEAN, markersize=4.5, markerfacecolor="none", label="mean of many", zorder=3)
    ax.set_yticks(list(places), [row.name for row in rows] if named else [], fontsize=8)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(-0.05, 1.05)
    ax.grid(True, color=_RULE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
