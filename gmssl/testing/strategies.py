"""Hypothesis strategies, named by what they draw."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import torch

from gmssl.problem import Problem
from gmssl.testing.generators import knn_problem, paired_embeddings
from gmssl.testing.variants import identity_labelled, relabelled

__all__ = [
    "complete_problems",
    "edge_lists",
    "identity_labelled",
    "knn_problem",
    "paired_embeddings",
    "partial_problems",
    "problems",
    "relabelled",
    "scales",
    "some_matching",
]

_TWINS = {
    "duplicate": lambda edge: edge,
    "reversed": lambda edge: edge.flip(-1),
    "self-loop": lambda edge: edge[..., :1].expand_as(edge),
}


@st.composite
def problems(
    draw: st.DrawFn,
    max_graphs: int = 3,
    max_n: int = 5,
    rectangular: bool = True,
    masks: bool = True,
    edges: bool = True,
    ties: bool = True,
    extreme: bool = False,
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
        ties: also costs that are small integers, or all equal, so that many matchings are optimal.
        extreme: costs as large and as small as `scales` draws; otherwise of the order of 1.
        dtypes: of the costs.
    """
    graphs = draw(st.integers(1, max_graphs))
    n = draw(st.integers(1, max_n))
    m = draw(st.integers(1, max_n)) if rectangular else n
    left, right = (draw(edge_lists(graphs, size)) if edges else _none(graphs) for size in (n, m))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from(dtypes))
    values = draw(st.sampled_from(["normal", "integer", "equal"] if ties else ["normal"]))
    scale = draw(scales(dtype)) if extreme else 1.0

    def costs(*shape: int) -> torch.Tensor:
        if values == "normal":
            return torch.randn(shape, generator=generator, dtype=dtype, device="cpu") * scale
        drawn = shape if values == "integer" else (shape[0], 1, 1)
        numbers = torch.randint(-2, 3, drawn, generator=generator, device="cpu")
        return numbers.to(dtype).expand(shape).clone() * scale

    allowed = None
    if masks and draw(st.booleans()):
        share = draw(st.sampled_from([0.2, 0.5, 0.9]))
        allowed = torch.rand(graphs, n, m, generator=generator, dtype=torch.float32, device="cpu") < share
        allowed |= some_matching(graphs, n, m, generator).bool()
    return Problem.build(
        costs(graphs, n, m), left, right, costs(graphs, left.shape[1], right.shape[1]), allowed=allowed
    )


@st.composite
def partial_problems(draw: st.DrawFn, max_n: int = 4, edges: bool = True) -> Problem:
    """Problems whose vertices may stay unmatched, some of them without any allowed partner.

    Args:
        draw: given by hypothesis.
        max_n: as `problems` has it.
        edges: as `problems` has it.
    """
    problem = draw(problems(max_n=max_n, edges=edges)).partially(draw(st.sampled_from([-1.0, 0.0, 1.0])))
    allowed = problem.topology.allowed
    for side, size in ((1, allowed.shape[1]), (2, allowed.shape[2])):
        if draw(st.booleans()):
            lonely = torch.tensor([draw(st.integers(0, size - 1))], device="cpu")
            allowed = allowed.index_fill(side, lonely, False)
    return replace(problem, topology=replace(problem.topology, allowed=allowed))


@st.composite
def complete_problems(draw: st.DrawFn, max_n: int = 4) -> Problem:
    """Problems with edges between all different vertices of either side, in both directions, and normal costs.

    Args:
        draw: given by hypothesis.
        max_n: as `problems` has it.
    """
    problem = draw(problems(max_n=max_n, edges=False, ties=False))
    graphs, n, m = problem.costs.vertex.shape
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    left, right = (
        (1 - torch.eye(size, dtype=torch.float32, device="cpu")).nonzero().expand(graphs, -1, 2) for size in (n, m)
    )
    shape = graphs, left.shape[1], right.shape[1]
    edge = torch.randn(shape, generator=generator, dtype=problem.costs.vertex.dtype, device="cpu")
    return Problem.build(problem.costs.vertex, left, right, edge, allowed=problem.topology.allowed)


@st.composite
def edge_lists(draw: st.DrawFn, graphs: int, vertices: int) -> torch.Tensor:
    """Directed edges `[G,E,2]` with 0 ≤ E ≤ 3·vertices; often with a duplicate, a reversed edge or a self-loop.

    Args:
        draw: given by hypothesis.
        graphs: G.
        vertices: of each graph.
    """
    count = draw(st.integers(0, 3 * vertices))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    edges = torch.randint(0, vertices, (graphs, count, 2), generator=generator, device="cpu")
    for place, twin in enumerate(sorted(draw(st.sets(st.sampled_from(sorted(_TWINS))))), start=1):
        if place < count:
            edges[:, -place] = _TWINS[twin](edges[:, 0])
    return edges


def scales(dtype: torch.dtype) -> st.SearchStrategy[float]:
    """Powers of ten whose multiples and sums the dtype still carries: 1e±30 in float32, 1e±200 in float64."""
    largest = 200 if dtype == torch.float64 else 30
    return st.sampled_from([-largest, -largest // 2, -10, 0, 10, largest // 2, largest]).map(lambda power: 10.0**power)


def some_matching(graphs: int, n: int, m: int, generator: torch.Generator) -> torch.Tensor:
    """A random one-to-one matching of the shorter side, `[G,n,m]` of 0 and 1."""
    long = max(n, m)
    order = torch.rand(graphs, long, generator=generator, dtype=torch.float32, device="cpu").argsort(1)
    matching = torch.eye(long, dtype=torch.float32, device="cpu")[order]
    return matching[:, :n, :m] if n <= m else matching.transpose(1, 2)[:, :, :m]


def _none(graphs: int) -> torch.Tensor:
    return torch.zeros(graphs, 0, 2, dtype=torch.long, device="cpu")
