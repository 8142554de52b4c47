"""How near the optimum the run's solver comes, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.explaining.report import Report
from gmssl.explaining.solver import REPEATS, Gap, Times, TrainingShare


@dataclass(frozen=True)
class Distance:
    """From matchings to a proven bound.

    Attributes:
        graphs: how many were bounded.
        proven: matchings whose energy the bound reaches.
        source: the solver that gave the bound.
        own: whether that is the run's own.
        seconds: that the bounds took.
        mean: energy − bound.
        mean_relative, largest_relative: the same over |energy|.
    """

    graphs: int
    proven: int
    source: str
    own: bool
    seconds: float
    mean: float
    mean_relative: float
    largest_relative: float


@dataclass(frozen=True)
class Solving:
    """Gap and time.

    Attributes:
        gap: to the optimum; None where no graph was bounded.
        times: of one batch; None for solvers that do not look at the costs.
        repeats: that times are medians of.
        training: what matching cost in the training; None where nobody wrote it down.
    """

    gap: Distance | None
    times: Times | None
    repeats: int
    training: TrainingShare | None


def solving_of(report: Report) -> Solving:
    """Gap and time of a report."""
    gap = None if report.gap is None else _distance(report.gap)
    return Solving(gap, report.times, REPEATS, report.training)


def _distance(gap: Gap) -> Distance:
    return Distance(
        graphs=gap.graphs,
        proven=gap.proven,
        source=gap.source,
        own=gap.own,
        seconds=gap.seconds,
        mean=float(gap.gaps.mean()),
        mean_relative=float(gap.relative.mean()),
        largest_relative=float(gap.relative.max()),
    )
