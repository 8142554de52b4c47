"""How good gradient estimates are, in one picture: cosines against λ, and what is left of bias and variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmssl.benchmarking.estimators.comparison import EstimatorReport, Row
from gmssl.benchmarking.estimators.contestants import PROBLEMS
from gmssl.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


_COLOURS = ("#56b4e9", "#d55e00", "#000000", "#009e73", "#0072b2", "#e69f00", "#cc79a7", "#7f7f7f")
"""Of Okabe and Ito, who chose them for all kinds of colour vision; markers tell the same a second time."""
_MARKERS = ("v", "s", "X", "D", "o", "P", "^", "*")
_SIZES = (4.5, 6.5, 9.0)
"""Of markers, by number of samples."""


@dataclass(frozen=True)
class Palette:
    """Which kinds and numbers of samples there are, in the order of the report."""

    kinds: tuple[str, ...]
    samples: tuple[int, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Palette:
        """That of a report."""
        samples = sorted({row.samples for row in rows if row.samples is not None})
        return cls(tuple(sorted({row.estimator for row in rows})), tuple(samples))

    def colour(self, row: Row) -> str:
        """By kind."""
        return _COLOURS[self.kinds.index(row.estimator) % len(_COLOURS)]

    def look(self, row: Row) -> dict[str, Any]:
        """Keywords for `Axes.plot`; estimators without a number of samples take one."""
        number = 0 if row.samples is None else self.samples.index(row.samples)
        marker = _MARKERS[self.kinds.index(row.estimator) % len(_MARKERS)]
        size = _SIZES[min(number, len(_SIZES) - 1)] if row.samples is not None else _SIZES[1]
        return {
            "color": self.colour(row),
            "marker": marker,
            "markersize": size,
            "linewidth": 1.2,
            "markeredgecolor": "white",
            "markeredgewidth": 0.6,
        }

    def handles(self) -> list[Line2D]:
        """Of the legend: kinds, then numbers of samples."""
        from matplotlib.lines import Line2D

        kinds = [
            Line2D([], [], color=_COLOURS[i % len(_COLOURS)], marker=_MARKERS[i % len(_MARKERS)], label=kind)
            for i, kind in enumerate(self.kinds)
        ]
        samples = [
            Line2D([], [], color="#7f7f7f", marker="o", linestyle="", markersize=size, label=f"S = {count}")
            for count, size in zip(self.samples, _SIZES, strict=False)
        ]
        return [*kinds, *samples]


def spaced(middle: float, count: int, step: float = 0.22) -> list[float]:
    """Places side by side around a middle."""
    return [middle + step * (number - (count - 1) / 2) for number in range(count)]


_RULE, _TEXT, _FAINT = "#e6e8ec", "#3b4252", "#8d99ae"
_LEAST_VARIANCE = 1e-3
"""Variances below are drawn here: those without noise have none."""


def draw(report: EstimatorReport) -> Figure:
    """Two rows of panels for each kind of problem, a column for each temperature."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    temperatures = list(dict.fromkeys(row.temperature for row in report.rows))
    shown = [problem for problem in PROBLEMS if any(row.problem == problem for row in report.rows)]
    palette = Palette.of(report.rows)
    size = (1.6 + 4.3 * max(1, len(temperatures)), 1.0 + 6.9 * max(1, len(shown)))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2 * max(1, len(shown)), max(1, len(temperatures)), squeeze=False, sharey="row")
    for number, problem in enumerate(shown):
        for column, temperature in enumerate(temperatures):
            rows = [row for row in report.rows if (row.problem, row.temperature) == (problem, temperature)]
            place = f"{problem}, temperature {temperature:g}"
            for ax, panel in zip(panels[2 * number : 2 * number + 2, column], (_cosines, _errors), strict=True):
                _bare(ax)
                panel(ax, rows, palette)
                ax.set_title(place, fontsize=10, loc="left", color=_TEXT)
        panels[2 * number][0].set_ylabel("cosine of one estimate with the exact gradient", fontsize=9)
        panels[2 * number + 1][0].set_ylabel("variance of one estimate, best scaled", fontsize=9)
    handles = palette.handles()
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9, frameon=False)
    return figure


def save(report: EstimatorReport, path: Path) -> None:
    """Write the picture as PNG."""
    with replacing(path) as file:
        draw(report).savefig(file, format="png", dpi=120)


def _cosines(ax: Axes, rows: Sequence[Row], palette: Palette) -> None:
    """Against λ on the left, and one column for each estimator without λ on the right."""
    strengths = sorted({row.strength for row in rows if row.strength is not None})
    others = list(dict.fromkeys(row.estimator for row in rows if row.strength is None))
    for kind in dict.fromkeys(row.estimator for row in rows if row.strength is not None):
        counts = list(dict.fromkeys(row.samples for row in rows if row.estimator == kind))
        for shift, samples in zip(spaced(0, len(counts), 0.12), counts, strict=True):
            line = [row for row in rows if (row.estimator, row.samples) == (kind, samples)]
            _with_errors(ax, [strengths.index(row.strength or 0.0) + shift for row in line], line, palette, "-")
    first = len(strengths) + 0.5 * bool(strengths)
    for number, kind in enumerate(others):
        line = [row for row in rows if row.estimator == kind]
        middle = first + number
        for x, row in zip(spaced(middle, len(line)), line, strict=True):
            _with_errors(ax, [x], [row], palette, "")
    if strengths and others:
        ax.axvline(len(strengths) - 0.25, color=_FAINT, linewidth=0.8)
    names = [f"{strength:g}" for strength in strengths] + others
    ax.set_xticks([*range(len(strengths)), *(first + number for number in range(len(others)))], names, fontsize=8)
    for label in ax.get_xticklabels()[len(strengths) :]:
        label.set(rotation=35, horizontalalignment="right", rotation_mode="anchor")
    ax.set_xlim(-0.5, first + len(others) - 0.4)
    ax.set_ylim(-0.03, 1.03)
    if strengths:
        middle = (len(strengths) - 1) / 2
        ax.text(middle, -0.13, "λ", transform=ax.get_xaxis_transform(), fontsize=9, color=_TEXT, ha="center")


def _with_errors(ax: Axes, places: Sequence[float], line: Sequence[Row], palette: Palette, style: str) -> None:
    found = [(x, row.measures["cosine"]) for x, row in zip(places, line, strict=True)]
    known = [(x, c, c.mean) for x, c in found if c.mean is not None]
    for x, cosine, _ in known:
        if cosine.low is not None and cosine.high is not None:
            ends = max(cosine.low, -1.0), min(cosine.high, 1.0)
            ax.vlines(x, *ends, color=palette.colour(line[0]), linewidth=1.0, alpha=0.55, zorder=2)
    if known:
        ax.plot([x for x, _, _ in known], [y for _, _, y in known], style, **palette.look(line[0]), zorder=3)


def _errors(ax: Axes, rows: Sequence[Row], palette: Palette) -> None:
    """Bias against variance, after the best scaling; lines join the strengths of an estimator."""
    for kind, samples in dict.fromkeys((row.estimator, row.samples) for row in rows):
        line = [row for row in rows if (row.estimator, row.samples) == (kind, samples)]
        points = [(row, row.measures["scaled_bias"].mean, row.measures["scaled_variance"].mean) for row in line]
        known = [(row, x, max(y, _LEAST_VARIANCE)) for row, x, y in points if x is not None and y is not None]
        if not known:
            continue
        ax.plot([x for _, x, _ in known], [y for *_, y in known], "-", **palette.look(line[0]), zorder=3)
        if samples == 1:
            _strengths(ax, known, palette)
    ax.set_yscale("log")
    decades = range(-3, 4)
    names = ["≤ 0.001", *(f"{10.0**decade:g}" for decade in decades[1:])]
    ax.set_yticks([10.0**decade for decade in decades], names)
    ax.set_ylim(_LEAST_VARIANCE * 0.7, max(100.0, 1.5 * ax.dataLim.y1))
    ax.set_xlim(-0.04, 1.04)
    ax.set_xlabel("bias, best scaled", fontsize=9)


def _strengths(ax: Axes, known: Sequence[tuple[Row, float, float]], palette: Palette) -> None:
    """Write λ beside the points of a line that are apart from the one before."""
    before: tuple[float, float] | None = None
    for row, x, y in known:
        if row.strength is None or (before is not None and abs(x - before[0]) < 0.03 and 0.7 < y / before[1] < 1.4):
            continue
        before = (x, y)
        ax.annotate(
            f"λ={row.strength:g}", (x, y), xytext=(6, 4), textcoords="offset points", fontsize=7.5,
            color=palette.colour(row),
        )  # fmt: skip


def _bare(ax: Axes) -> None:
    ax.grid(True, color=_RULE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8, colors=_TEXT, length=2)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        ax.spines[side].set_color(_FAINT)
