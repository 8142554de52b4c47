"""From the numbers of single instances to the measures of a batch, with 95 % intervals.

A training step descends the summed loss of a batch, whose gradient holds those of all instances side by side. Its
squared length is Σ size, and with the sums over instances of `quality.py`

    bias             √(Σ miss / Σ size)                  ‖E ĝ − g‖ / ‖g‖
    variance         Σ spread / Σ size                   E ‖ĝ − E ĝ‖² / ‖g‖²
    mean_cosine      C = Σ inner / √(Σ length · Σ size)  cos(E ĝ, g), within ±1
    scaled_bias      √(1 − C²), 1 if C ≤ 0               ‖s E ĝ − g‖ / ‖g‖ for the best s ≥ 0
    scaled_variance  s² · Σ spread / Σ size              that of s ĝ, for s = Σ inner / Σ length, which is this best s

One factor s serves all instances, as a learning rate, or the normalisation of Adam, does. Averages over samples, or
over instances whose gradients agree in the weights of an encoder, divide the variances and leave the biases. Sums of
moments are ratios without bias in their parts: an estimator without bias is not charged for the noise of its mean, and
instances with small gradients need not be left out.

Intervals are those of the jackknife over instances, which for a mean is the t-interval. Instances are drawn
independently, stage by stage and size by size; that they are pooled makes intervals wider than necessary, if anything.
Intervals of a bias are those of its square, which may come out negative and is then 0: an unbiased estimator reaches 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy.stats import t as student

from gmssl.benchmarking.estimators.quality import SHARES, SUMS, Quality

MEASURES = ("bias", "scaled_bias", "variance", "scaled_variance", "cosine", "mean_cosine", "aligned", "descent", "zero")


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval; None where there are too few instances, or none, to tell."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    def map(self, change: Callable[[float], float]) -> Interval:
        """Of a monotone function of the value."""
        changed = [None if x is None else change(x) for x in (self.mean, self.low, self.high)]
        low, high = changed[1:]
        if low is not None and high is not None and low > high:
            low, high = high, low
        return Interval(changed[0], low, high)

    def within(self, least: float, most: float) -> Interval:
        """Of a value that is known to lie there: moved to the border with its interval, which is then cut off."""
        if self.mean is None:
            return self
        mean = min(max(self.mean, least), most)
        if self.low is None or self.high is None:
            return Interval(mean)
        return Interval(mean, max(self.low + mean - self.mean, least), min(self.high + mean - self.mean, most))


def pooled(qualities: Sequence[Quality]) -> Quality:
    """Those of several batches as one."""
    return Quality(**{name: torch.cat([getattr(q, name) for q in qualities]) for name in (*SUMS, *SHARES)})


def measures(quality: Quality) -> dict[str, Interval]:
    """All `MEASURES` of a batch."""
    columns = torch.stack([getattr(quality, name) for name in SUMS], 1)
    cosine = jackknife(columns, _mean_cosine).within(-1, 1)
    return {
        "bias": jackknife(columns, lambda x: x[:, 1] / x[:, 0]).within(0, math.inf).map(math.sqrt),
        "scaled_bias": cosine.map(lambda c: math.sqrt(1 - max(c, 0.0) ** 2)),
        "variance": jackknife(columns, lambda x: x[:, 2] / x[:, 0]).within(0, math.inf),
        "scaled_variance": jackknife(columns, _scaled_variance).within(0, math.inf),
        "cosine": mean(quality.cosine),
        "mean_cosine": cosine,
        **{name: mean(getattr(quality, name)) for name in SHARES[1:]},
    }


def mean(values: torch.Tensor) -> Interval:
    """Of the values that are not NaN."""
    known = values[values.isfinite()]
    return jackknife(known[:, None], lambda x: x[:, 0])


def jackknife(columns_GK: torch.Tensor, statistic: Callable[[torch.Tensor], torch.Tensor]) -> Interval:
    """A function of sums over instances.

    Args:
        columns_GK: K numbers of each of G instances.
        statistic: from means of the columns, `[B,K]`, to `[B]`; may be NaN where it has no value.
    """
    count = len(columns_GK)
    if count == 0:
        return Interval(None)
    total = columns_GK.sum(0, keepdim=True)
    value = statistic(total / count).item()
    if not math.isfinite(value):
        return Interval(None)
    if count == 1:
        return Interval(value)
    without = statistic((total - columns_GK) / (count - 1))
    if not bool(without.isfinite().all()):
        return Interval(value)
    error = math.sqrt((count - 1) / count * (without - without.mean()).square().sum().item())
    half = float(student.ppf(0.975, count - 1)) * error
    return Interval(value, value - half, value + half)


def _mean_cosine(x: torch.Tensor) -> torch.Tensor:
    """C; 0 where the mean is not distinguishable from 0."""
    size, inner, length = x[:, 0], x[:, 3], x[:, 4]
    tiny = torch.finfo(x.dtype).tiny
    return torch.where(length > 0, inner / (length * size).clamp(min=tiny).sqrt(), 0.0)


def _scaled_variance(x: torch.Tensor) -> torch.Tensor:
    """NaN where no positive factor helps."""
    size, spread, inner, length = x[:, 0], x[:, 2], x[:, 3], x[:, 4]
    scale = torch.where((inner > 0) & (length > 0), inner / length, torch.nan)
    return scale.square() * spread / size
