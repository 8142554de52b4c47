"""Problems whose optimum is known, because it was planted."""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis.strategies as st
import torch

from gmssl.problem import Problem
from gmssl.testing.strategies import edge_lists


@dataclass(frozen=True, eq=False)
class Planted:
    """A problem, whose `target` is the planted matching, and its least energy `[G]` in float64."""

    problem: Problem
    energy: torch.Tensor


@st.composite
def planted_problems(
    draw: st.DrawFn, max_n: int = 7, vertices: bool = True, edges: bool = True, identity: bool = False
) -> Planted:
    """The right graph is a renamed copy of the left one among further vertices and edges (or the other way round).

    Every pair that the planted matching matches costs −1, every other pair between 0 and 1. Another matching has no
    pair of cost −1 that the planted one has not, so the planted one is optimal.

    Args:
        draw: given by hypothesis.
        max_n: largest number of vertices of a side.
        vertices: vertex costs tell the planted matching; otherwise they are 0.
        edges: edges tell it, where there are any; otherwise there are none.
        identity: the planted matching is i ↔ i; otherwise it is random.
    """
    graphs, m = draw(st.integers(1, 3)), draw(st.integers(1, max_n))
    n = draw(st.integers(1, m))
    left = draw(edge_lists(graphs, n)) if edges else torch.zeros(graphs, 0, 2, dtype=torch.long, device="cpu")
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    names = torch.arange(m, device="cpu").expand(graphs, m)
    order = torch.rand(graphs, m, generator=generator, dtype=torch.float32, device="cpu").argsort(1)
    columns = (names if identity else order)[:, :n]
    images = columns.gather(1, left.flatten(1)).view_as(left)
    further = draw(edge_lists(graphs, m)) if edges else images
    right = torch.cat([images, further], 1)
    right = right[:, torch.randperm(right.shape[1], generator=generator, device="cpu")]
    matched = torch.nn.functional.one_hot(columns, m).bool()
    aligned = (images[:, :, None] == right[:, None, :]).all(3)
    vertex, edge = (
        torch.rand(pairs.shape, generator=generator, dtype=dtype, device="cpu").masked_fill(pairs, -1)
        for pairs in (matched, aligned)
    )
    vertex = vertex * vertices
    target = matched.to(dtype)
    energy = -matched.sum((1, 2)).double() * vertices - aligned.sum((1, 2)).double()
    if draw(st.booleans()):
        vertex, left, right, edge, target = vertex.mT, right, left, edge.mT, target.mT
    return Planted(Problem.build(vertex, left, right, edge, target=target), energy)
