"""The radar of a report: an axis for each benchmark, a line for each encoder, each axis with a range of its own."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gmssl.downstream.reporting.judged import Judged
from gmssl.downstream.reporting.looks import Look, looks
from gmssl.downstream.reporting.numbers import plain, scale, shown
from gmssl.downstream.reporting.report import Report
from gmssl.system.pages.theme import Theme, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST = 3
"""Axes below which a radar shows no area."""
_INNER = 0.25
"""Where the worst encoder of an axis stands; the best stands at the rim."""


def axes_of(report: Report) -> list[tuple[Judged, float, float]]:
    """Benchmarks whose encoders have scores, each with those of its worst and best encoder."""
    found = []
    for one in report.judged:
        means = list(_means(one).values())
        if means:
            worst, best = (min(means), max(means)) if one.higher else (max(means), min(means))
            found.append((one, worst, best))
    return found


def radar(report: Report, theme: Theme) -> Figure:
    """Draw it; at least `FEWEST` axes."""
    axes = axes_of(report)
    look = looks(report.encoders)
    figure = new_figure(8.6, 6.6 + 0.25 * math.ceil(len(look) / 3))
    ax = figure.add_subplot(projection="polar")
    angles = [2 * math.pi * place / len(axes) for place in range(len(axes))]
    ax.set_theta_offset(math.pi / 2)  # type: ignore[attr-defined]
    ax.set_theta_direction(-1)  # type: ignore[attr-defined]
    ax.set_ylim(0, 1.06)
    ax.set_yticks([_INNER, (1 + _INNER) / 2, 1.0], [])
    ax.grid(True, linewidth=0.6, alpha=0.6)
    ax.spines["polar"].set_visible(False)
    for encoder, one in look.items():
        _line(ax, axes, angles, encoder, one)
    ax.set_xticks(angles, [_label(*axis) for axis in axes], fontsize=9)
    _place_labels(ax, angles)
    figure.legend(loc="outside lower center", ncols=min(3, len(look)), frameon=False, fontsize=9)
    return figure


def _means(judged: Judged) -> dict[str, float]:
    found = {result.encoder.name: result.scores.get(judged.metric) for result in judged.results}
    return {name: one.mean for name, one in found.items() if one is not None and one.mean is not None}


def _line(
    ax: object, axes: Sequence[tuple[Judged, float, float]], angles: Sequence[float], encoder: str, look: Look
) -> None:
    from matplotlib.projections.polar import PolarAxes

    assert isinstance(ax, PolarAxes)
    radii = [_radius(_means(one).get(encoder), worst, best) for one, worst, best in axes]
    closed = [*radii, radii[0]], [*angles, angles[0]]
    (curve,) = ax.plot(closed[1], closed[0], color=look.colour, label=look.label, clip_on=False, zorder=3)
    curve.set(linestyle=look.line, linewidth=1.8, marker=look.marker, markersize=5.5)


def _radius(value: float | None, worst: float, best: float) -> float:
    if value is None:
        return math.nan
    return 1.0 if best == worst else _INNER + (1 - _INNER) * (value - worst) / (best - worst)


def _label(judged: Judged, worst: float, best: float) -> str:
    by = scale(judged.metric)
    name = textwrap.fill(judged.name.replace("_", " "), 20)
    return f"{name}\n{shown(judged.metric, judged.higher)}\n{plain(by * worst)} to {plain(by * best)}"


def _place_labels(ax: object, angles: Sequence[float]) -> None:
    """Labels stand outside the rim: those on the right begin there, those on the left end there."""
    from matplotlib.projections.polar import PolarAxes

    assert isinstance(ax, PolarAxes)
    for label, angle in zip(ax.get_xticklabels(), angles, strict=True):
        side, up = math.sin(angle), math.cos(angle)
        label.set_horizontalalignment("center" if abs(side) < 0.1 else "left" if side > 0 else "right")
        label.set_verticalalignment("center" if abs(up) < 0.5 else "bottom" if up > 0 else "top")
