"""From rows to numbers: a score for each seed and site, their mean and deviation, and an interval over patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

from gmssl.interfaces.task import Resampled, Row, Scores

Summarise = Callable[[Sequence[Row]], Scores]

Prepare = Callable[[Sequence[Row]], Resampled | None]
"""What `gmssl.interfaces.task.Task.resampled` makes of rows."""


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
    by_seed: Mapping[int, Sequence[Row]],
    unit_of: Mapping[str, str],
    summarise: Summarise,
    samples: int,
    prepare: Prepare | None = None,
) -> dict[str, Measured]:
    """All metrics of some cases.

    Args:
        by_seed: seed → a row for each case.
        unit_of: case → what is drawn with replacement: its patient, or itself.
        summarise: the task's scores of any choice of rows.
        samples: number of bootstrap samples; 0 for no intervals.
        prepare: computes once what bootstrap samples have in common.
    """
    scores = {seed: summarise(rows) for seed, rows in by_seed.items()}
    choices = [resampling(rows, summarise, prepare) for rows in by_seed.values()] if samples else []
    intervals = _intervals(by_seed, unit_of, choices, samples) if samples else {}
    found = {}
    for metric in dict.fromkeys(name for one in scores.values() for name in one):
        per_seed = {str(seed): one.get(metric) for seed, one in scores.items()}
        known = [value for value in per_seed.values() if value is not None]
        mean = fmean(known) if known else None
        deviation = stdev(known) if len(known) > 1 else None
        found[metric] = Measured(mean, deviation, intervals.get(metric), per_seed)
    return found


def places_of(rows: Sequence[Row], unit_of: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Unit → indices of its rows, by name."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(unit_of[str(row["case"])], []).append(place)
    return {unit: np.array(places[unit], np.int64) for unit in sorted(places)}


def resampling(rows: Sequence[Row], summarise: Summarise, prepare: Prepare | None) -> Resampled:
    """The scores of choices of rows: what was prepared for them, or else a summary each time."""
    prepared = None if prepare is None else prepare(rows)
    return prepared or (lambda chosen: summarise([rows[index] for index in chosen]))


def _intervals(
    by_seed: Mapping[int, Sequence[Row]], unit_of: Mapping[str, str], choices: Sequence[Resampled], samples: int
) -> dict[str, tuple[float, float]]:
    places = [places_of(rows, unit_of) for rows in by_seed.values()]
    units = list(places[0]) if places else []
    if len(units) < 2:
        return {}
    generator, none = np.random.default_rng(0), np.array([], np.int64)
    drawn: dict[str, list[float]] = {}
    for _ in range(samples):
        chosen = [units[n] for n in generator.integers(len(units), size=len(units))]
        every = [
            scores(np.concatenate([of_unit.get(unit, none) for unit in chosen]).tolist())
            for scores, of_unit in zip(choices, places, strict=True)
        ]
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
