"""Means over seeds, and differences between two things on the same seeds.

The interval of a mean of n values is Student's: mean ± t(0.975, n − 1) · s / √n, s the sample standard deviation. It
holds for values that are independent and about normal; runs with different seeds are independent. Two things
are compared on the seeds that both have: the interval is that of the differences, which is narrower where a seed
(initial weights, order of images) moves both alike.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """Of n ≥ 1 values.

    Attributes:
        n: how many.
        mean: their mean.
        deviation: sample standard deviation (n − 1 in the denominator); None for one value.
        interval: 95 % t-interval of the mean; None for one value.
    """

    n: int
    mean: float
    deviation: float | None
    interval: tuple[float, float] | None


def summarise(values: Mapping[int, float]) -> Summary | None:
    """Summary of the values of some seeds; None for no value."""
    found = list(values.values())
    if not found:
        return None
    mean = statistics.fmean(found)
    if len(found) < 2:
        return Summary(1, mean, None, None)
    deviation = statistics.stdev(found)
    half = quantile(len(found) - 1) * deviation / math.sqrt(len(found))
    return Summary(len(found), mean, deviation, (mean - half, mean + half))


def difference(values: Mapping[int, float], reference: Mapping[int, float]) -> Summary | None:
    """Summary of value − reference on the seeds that both have; None where they share none."""
    return summarise({seed: value - reference[seed] for seed, value in values.items() if seed in reference})


def quantile(freedom: int) -> float:
    """t with 97.5 % of Student's distribution below it."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, freedom))
