"""From rows to numbers: a score for each seed and site, their mean and deviation, and an interval over patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

from gmssl.interfaces.task import Row, Scores

Summarise = Callable[[Sequence[Row]], Scores]


@dataclass(frozen=True)
class Measured:
    """One metric on one choice of cases.

    Attributes:
        mean: over the seeds.
        deviation: standard deviation over the seeds; None for a single one.
        interval: 2.5 and 97.5 per cent of the mean over seeds, when patients are drawn with replacement (percentile
            bootstrap); None where it was not asked for or has no meaning.
        per_seed: the score of each seed.
    """

    mean: float | None
    deviation: float | None
    interval: tuple[float, float] | None
    per_seed: dict[str, float | None]


def measure(
    by_seed: Mapping[int, Sequence[Row]], unit_of: Mapping[str, str], summarise: Summarise, samples: int
) -> dict[str, Measured]:
    """All metrics of some cases.

    Args:
        by_seed: seed → a row for each case.
        unit_of: case → what is drawn with replacement: its patient, or itself.
        summarise: the task's scores of any choice of rows.
        samples: number of bootstrap samples; 0 for no intervals.
    """
    scores = {seed: summarise(rows) for seed, rows in by_seed.items()}
    intervals = _intervals(by_seed, unit_of, summarise, samples) if samples else {}
    found = {}
    for metric in dict.fromkeys(name for one in scores.values() for name in one):
        per_seed = {str(seed): one.get(metric) for seed, one in scores.items()}
        known = [value for value in per_seed.values() if value is not None]
        mean = fmean(known) if known else None
        deviation = stdev(known) if len(known) > 1 else None
        found[metric] = Measured(mean, deviation, intervals.get(metric), per_seed)
    return found


def _intervals(
    by_seed: Mapping[int, Sequence[Row]], unit_of: Mapping[str, str], summarise: Summarise, samples: int
) -> dict[str, tuple[float, float]]:
    rows_of: list[dict[str, list[Row]]] = []
    for rows in by_seed.values():
        grouped: dict[str, list[Row]] = {}
        for row in rows:
            grouped.setdefault(unit_of[str(row["case"])], []).append(row)
        rows_of.append(grouped)
    units = sorted(rows_of[0]) if rows_of else []
    if len(units) < 2:
        return {}
    generator = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {}
    for _ in range(samples):
        chosen = [units[n] for n in generator.integers(len(units), size=len(units))]
        every = [summarise([row for unit in chosen for row in grouped.get(unit, [])]) for grouped in rows_of]
        for metric in every[0]:
            values = [one[metric] for one in every if one.get(metric) is not None]
            if values:
                drawn.setdefault(metric, []).append(fmean(values))  # type: ignore[arg-type]
    # A metric that many samples lack (a class that is rarely drawn) has no interval to speak of.
    return {
        metric: (float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5)))
        for metric, values in drawn.items()
        if len(values) > 0.9 * samples
    }
