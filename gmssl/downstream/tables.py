"""Tables of results: for the terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from gmssl.downstream.measures import Measured
from gmssl.downstream.results import Result
from gmssl.system.grid import Grid

_MINUS = "−"


def score_grid(results: Sequence[Result]) -> Grid:
    """A row for each encoder, a column for each metric: mean ± deviation over seeds, and the interval over patients."""
    metrics = list(results[0].scores)
    rows = [[result.encoder.name, *(cell(result.scores.get(metric)) for metric in metrics)] for result in results]
    return Grid(results[0].benchmark, ["encoder", *metrics], rows)


def cell(measured: Measured | None) -> str:
    """`mean ± deviation [low, high]`, in hundredths for shares."""
    if measured is None or measured.mean is None:
        return "–"
    deviation = "" if measured.deviation is None else f" ± {number(measured.deviation)}"
    interval = "" if measured.interval is None else " [{}, {}]".format(*map(number, measured.interval))
    return f"{number(measured.mean)}{deviation}{interval}"


def number(value: float) -> str:
    """Four digits after the point, which is a hundredth of a per cent for shares."""
    return f"{value:.4f}".replace("-", _MINUS)
