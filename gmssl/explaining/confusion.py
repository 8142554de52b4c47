"""Pairs of images that are confused, most often first."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gmssl.explaining.rows import Rows


@dataclass(frozen=True)
class Confusion:
    """An image that was matched with another one.

    Attributes:
        image, partner: numbers in the sample.
        times: how often.
        met: how often the image was matched at all, with this partner at hand.
        shares: mean energy difference to the truth that falls on this match, of each term.
        vertex, edge: their sums over vertex and over edge terms.
        pass_: of the match that was furthest below the truth, which pictures show.
        views: in it, of the image, of its true partner, and of the wrong one.
    """

    image: int
    partner: int
    times: int
    met: int
    shares: tuple[float, ...]
    vertex: float
    edge: float
    pass_: int
    views: tuple[int, int, int]


def confusions(rows: Rows, edge_terms: torch.Tensor, images: int) -> list[Confusion]:
    """All wrong matches of known images, gathered by (image, partner); the most frequent and then the cheapest first.

    Args:
        rows: matches.
        edge_terms: which terms score edges, `[T]` bool.
        images: in the sample.
    """
    met = torch.bincount(rows.image[rows.image >= 0], minlength=images)
    wrong = rows.select(~rows.right & (rows.image >= 0) & (rows.partner >= 0) & (rows.partner != rows.image))
    if not len(wrong):
        return []
    pairs, which = (wrong.image * images + wrong.partner).unique(return_inverse=True)
    times = torch.bincount(which)
    shares = torch.zeros(len(pairs), wrong.shares.shape[1], dtype=torch.float64)
    shares = shares.index_add_(0, which, wrong.shares) / times[:, None]
    order = sorted(range(len(pairs)), key=lambda k: (-int(times[k]), float(shares[k].sum()), int(pairs[k])))
    worst = _cheapest(wrong.shares.sum(1), which, len(pairs))
    return [
        Confusion(
            image=int(pairs[k]) // images,
            partner=int(pairs[k]) % images,
            times=int(times[k]),
            met=int(met[int(pairs[k]) // images]),
            shares=tuple(shares[k].tolist()),
            vertex=float(shares[k][~edge_terms].sum()),
            edge=float(shares[k][edge_terms].sum()),
            pass_=int(wrong.pass_[row]),
            views=(int(wrong.view[row]), int(wrong.true_view[row]), int(wrong.partner_view[row])),
        )
        for k, row in ((k, worst[k]) for k in order)
    ]


def _cheapest(costs: torch.Tensor, which: torch.Tensor, pairs: int) -> list[int]:
    """The row of least cost of each pair."""
    found = [-1] * pairs
    for row in costs.argsort(stable=True).tolist():
        if found[int(which[row])] < 0:
            found[int(which[row])] = row
    return found


def between_groups(rows: Rows, groups: tuple[str, ...]) -> tuple[list[str], torch.Tensor]:
    """Of all matches of a group, the share that is wrong and leads to each group: names, `[K,K]`."""
    names = sorted(set(groups))
    number = torch.tensor([names.index(group) for group in groups])
    known = rows.select((rows.image >= 0) & ((rows.partner >= 0) | rows.right))
    own = number[known.image]
    total = torch.bincount(own, minlength=len(names)).double()
    wrong = known.select(~known.right)
    codes = number[wrong.image] * len(names) + number[wrong.partner]
    counts = torch.bincount(codes, minlength=len(names) ** 2).view(len(names), -1).double()
    return names, counts / total.clamp(min=1)[:, None]
