"""Vertex costs, edge costs or the solver: what wrong matches are due to, over all of them."""

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
    """Count."""
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
