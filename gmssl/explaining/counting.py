"""Wrong matches, counted: what they are due to (vertices, edges or the solver), and which images they confuse."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gmssl.explaining.rows import Rows


@dataclass(frozen=True)
class Blame:
    """Counts of matches (nodes) and of matchings (problems).

    Attributes:
        matches, wrong: all matches, and those that are not true.
        problems, wrong_problems: all matchings, and those with a wrong match.
        cheaper: wrong matchings of less energy than the truth: the costs are to blame.
        dearer: wrong matchings of more energy than the truth: the solver missed a better one.
        right_by_vertices, right_by_edges: wrong matches that would be true with vertex costs, with edge costs alone.
        right_by_either, right_by_none: with one of them at least; with neither.
        mended: matches that edges mended: true with all costs, wrong with vertex costs alone.
        caused: matches that edges caused to be wrong: wrong with all costs, true with vertex costs alone.
        vertices_alone, edges_alone: true matches with these costs alone.
        terms: mean over wrong matches of the energy difference to the truth that each term accounts for.
    """

    matches: int
    wrong: int
    problems: int
    wrong_problems: int
    cheaper: int
    dearer: int
    right_by_vertices: int
    right_by_edges: int
    right_by_either: int
    right_by_none: int
    mended: int
    caused: int
    vertices_alone: int
    edges_alone: int
    terms: tuple[float, ...]


def blame(rows: Rows) -> Blame:
    """Count over all matches of all passes."""
    wrong = ~rows.right
    number, which = rows.problem.unique(return_inverse=True)
    difference = torch.zeros(len(number), dtype=torch.float64).index_add_(0, which, rows.shares.sum(1))
    faulty = torch.zeros(len(number), dtype=torch.bool)
    faulty[which[wrong]] = True
    scale = torch.zeros(len(number), dtype=torch.float64).index_add_(0, which, rows.shares.abs().sum(1))
    dearer = difference > 1e-6 * scale.clamp(min=1e-6)  # costs are float32
    vertex, edge = rows.vertex_alone, rows.edge_alone
    return Blame(
        matches=len(rows),
        wrong=_count(wrong),
        problems=len(number),
        wrong_problems=_count(faulty),
        cheaper=_count(faulty & ~dearer),
        dearer=_count(faulty & dearer),
        right_by_vertices=_count(wrong & vertex),
        right_by_edges=_count(wrong & edge),
        right_by_either=_count(wrong & (vertex | edge)),
        right_by_none=_count(wrong & ~vertex & ~edge),
        mended=_count(~wrong & ~vertex),
        caused=_count(wrong & vertex),
        vertices_alone=_count(vertex),
        edges_alone=_count(edge),
        terms=tuple(rows.shares[wrong].mean(0).tolist()) if bool(wrong.any()) else (0.0,) * rows.shares.shape[1],
    )


def _count(mask: torch.Tensor) -> int:
    return int(mask.sum())


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
