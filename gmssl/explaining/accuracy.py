"""Match accuracy of each group of images."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gmssl.explaining.intervals import Share, clustered_share
from gmssl.explaining.rows import Rows

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
