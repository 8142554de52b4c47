"""Match accuracy of each group of images, with intervals for trials that hang together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from gmssl.explaining.rows import Rows

_Z = 1.959963984540054  # of 95 %


@dataclass(frozen=True)
class Share:
    """A mean of numbers in 0..1.

    Attributes:
        mean: of all trials.
        low, high: ends of the 95 % interval; NaN with fewer than two clusters.
        trials: how many numbers there are.
        clusters: how many sets of trials are independent of each other.
    """

    mean: float
    low: float
    high: float
    trials: int
    clusters: int


def clustered_share(values: torch.Tensor, clusters: torch.Tensor) -> Share:
    """Mean, with Wilson's interval for the number of independent trials that would scatter as much.

    The mean p of N numbers in C clusters has the variance s² = C / (C − 1) · Σ_c (Σ_{r ∈ c} x_r − p N_c)² / N², that of
    a ratio of sums over clusters (Cochran, "Sampling Techniques", 1977, §6.3). p (1 − p) / s² independent trials have
    it too; Wilson's interval for that number, at most N, stays in 0..1 and has a length near 0 and 1 (Korn & Graubard,
    Survey Methodology 24, 1998, do so with Clopper's). Where no trial differs, the clusters count.

    Args:
        values: x, `[N]` in 0..1.
        clusters: names of the clusters, `[N]` integers.
    """
    total = len(values)
    if not total:
        return Share(math.nan, math.nan, math.nan, 0, 0)
    _, which = clusters.unique(return_inverse=True)
    count = int(which.max()) + 1
    mean = float(values.double().mean())
    if count < 2:
        return Share(mean, math.nan, math.nan, total, count)
    residuals = torch.zeros(count, dtype=torch.float64).scatter_add_(0, which, values.double() - mean)
    variance = count / (count - 1) * float(residuals.square().sum()) / total**2
    spread = mean * (1 - mean)
    alike = spread <= 1e-12
    effective = float(count) if alike else float(total) if variance <= spread / total else spread / variance
    low, high = wilson(mean, effective)
    return Share(mean, low, high, total, count)


def wilson(mean: float, trials: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of so many independent trials, which need not be a whole number."""
    centre = (mean + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * math.sqrt(mean * (1 - mean) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


ALL = "all"


@dataclass(frozen=True)
class GroupAccuracy:
    """How well the images of a group are matched.

    Attributes:
        group: its name.
        images: how many were looked at.
        noiseless: share of true matches without noise and margin.
        noisy: the same under the estimator's noise, with margin.
        chance: what a random match reaches.
    """

    group: str
    images: int
    noiseless: Share
    noisy: Share
    chance: float


def accuracies(rows: Rows, groups: tuple[str, ...], one_to_one: bool) -> list[GroupAccuracy]:
    """All images first, then each group by its name.

    Args:
        rows: matches.
        groups: name of each image's group.
        one_to_one: matches of a graph compete, so that graphs are the independent clusters; otherwise images are.
    """
    known = rows.image >= 0
    clusters = rows.graph if one_to_one or not bool(known.all()) else rows.image
    found = [_of(ALL, rows, clusters, torch.ones(len(rows), dtype=torch.bool))]
    names = sorted(set(groups))
    if len(names) < 2 or not bool(known.all()):
        return found
    number = torch.tensor([names.index(group) for group in groups])[rows.image]
    return found + [_of(name, rows, clusters, number == k) for k, name in enumerate(names)]


def _of(name: str, rows: Rows, clusters: torch.Tensor, chosen: torch.Tensor) -> GroupAccuracy:
    images = rows.image[chosen]
    return GroupAccuracy(
        name,
        len(images[images >= 0].unique()),
        clustered_share(rows.right[chosen].double(), clusters[chosen]),
        clustered_share(rows.noisy[chosen].clamp(0, 1), clusters[chosen]),
        float(rows.chance[chosen].mean()) if bool(chosen.any()) else float("nan"),
    )
