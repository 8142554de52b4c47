"""Hypothesis strategies, named by what they draw."""

from __future__ import annotations

import hypothesis.strategies as st
import torch

from gmssl.problem import Problem
from gmssl.testing.generators import knn_problem, paired_embeddings

__all__ = ["knn_problem", "paired_embeddings", "problems", "relabelled", "some_matching"]


@st.composite
def problems(
    draw: st.DrawFn,
    max_graphs: int = 3,
    max_n: int = 5,
    rectangular: bool = True,
    masks: bool = True,
    edges: bool = True,
    ties: bool = True,
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64),
) -> Problem:
    """Matching problems that have at least one matching.

    Args:
        draw: given by hypothesis.
        max_graphs: largest G; the smallest is 1.
        max_n: largest number of vertices of a side; the smallest is 1.
        rectangular: also n ≠ m.
        masks: also forbidden pairs.
        edges: also edges, with duplicates, self-loops, both directions, and none on one or both sides.
        ties: also costs that are small integers, so that many matchings are optimal.
        dtypes: of the costs.
    """
    graphs = draw(st.integers(1, max_graphs))
    n = draw(st.integers(1, max_n))
    m = draw(st.integers(1, max_n)) if rectangular else n
    left, right = (draw(st.integers(0, 3 * size)) if edges else 0 for size in (n, m))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from(dtypes))
    integers = draw(st.booleans()) if ties else False

    def costs(*shape: int) -> torch.Tensor:
        if integers:
            return torch.randint(-2, 3, shape, generator=generator).to(dtype)
        return torch.randn(shape, generator=generator, dtype=dtype)

    allowed = None
    if masks and draw(st.booleans()):
        allowed = torch.rand(graphs, n, m, generator=generator) < draw(st.sampled_from([0.2, 0.5, 0.9]))
        allowed |= some_matching(graphs, n, m, generator).bool()
    return Problem.build(
        costs(graphs, n, m),
        torch.randint(0, n, (graphs, left, 2), generator=generator),
        torch.randint(0, m, (graphs, right, 2), generator=generator),
        costs(graphs, left, right),
        allowed=allowed,
    )


def some_matching(graphs: int, n: int, m: int, generator: torch.Generator) -> torch.Tensor:
    """A random one-to-one matching of the shorter side, `[G,n,m]` of 0 and 1."""
    long = max(n, m)
    order = torch.rand(graphs, long, generator=generator).argsort(1)
    return torch.eye(long)[order][:, :n, :m] if n <= m else torch.eye(long)[order].transpose(1, 2)[:, :, :m]


def relabelled(problem: Problem, rows: torch.Tensor, columns: torch.Tensor) -> Problem:
    """The same problem with its vertices renamed: new row i is old row `rows[i]`, and so for columns.

    Args:
        problem: any problem.
        rows, columns: permutations `[n]` and `[m]`, the same for every instance.
    """
    costs, topology = problem.costs, problem.topology
    return Problem.build(
        costs.vertex[:, rows][:, :, columns],
        rows.argsort()[topology.left],
        columns.argsort()[topology.right],
        costs.edge,
        allowed=topology.allowed[:, rows][:, :, columns],
    )
