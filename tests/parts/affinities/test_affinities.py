"""Affinities against loops over single pairs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.errors import ProblemError
from gmssl.interfaces.affinity import Affinity, Side

SEEDS = st.integers(0, 2**31)


def sides(seed: int, n: int = 3, m: int = 4, p: int = 5, q: int = 6, padded: int = 0) -> tuple[Side, Side]:
    generator = torch.Generator().manual_seed(seed)

    def side(nodes: int, cells: int) -> Side:
        valid = torch.ones(2, cells, dtype=torch.bool)
        if padded:
            valid[:, -padded:] = False
        return Side(
            nodes=torch.randn(2, nodes, 3, generator=generator, dtype=torch.float64),
            edges=torch.randint(nodes, (2, 7, 2), generator=generator),
            maps=torch.randn(2, nodes, cells, 4, generator=generator, dtype=torch.float64),
            positions=torch.rand(2, nodes, cells, 2, generator=generator, dtype=torch.float64) * 100,
            valid=valid,
        )

    return side(n, p), side(m, q)


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


@given(SEEDS)
def test_vertex_terms_of_nodes(seed: int) -> None:
    left, right = sides(seed)
    formulas = {
        "cosine": cosine,
        "inner_product": lambda a, b: float(a @ b),
        "softplus": lambda a, b: float(torch.log1p(torch.exp(a @ b))) - 0.5,
    }
    for kind, formula in formulas.items():
        score = gmssl.part("affinity", kind).score(left, right)
        expected = [[[formula(a, b) for b in right.nodes[g]] for a in left.nodes[g]] for g in range(2)]
        torch.testing.assert_close(score, torch.tensor(expected, dtype=torch.float64))


@given(SEEDS)
def test_edge_terms(seed: int) -> None:
    left, right = sides(seed)
    formulas = {
        "cosine_of_differences": lambda a, b: float(a @ b / ((a @ a + 0.01) * (b @ b + 0.01)).sqrt()),
        "softplus_of_differences": lambda a, b: float(torch.log1p(torch.exp(a @ b))) - 0.5,
    }
    for kind, formula in formulas.items():
        score = gmssl.part("affinity", kind).score(left, right)
        for graph in range(2):
            for e, (i, j) in enumerate(left.edges[graph].tolist()):
                for f, (a, b) in enumerate(right.edges[graph].tolist()):
                    one = left.nodes[graph, i] - left.nodes[graph, j]
                    other = right.nodes[graph, a] - right.nodes[graph, b]
                    assert float(score[graph, e, f]) == pytest.approx(formula(one, other), abs=1e-9)


def local_term(left: Side, right: Side, graph: int, i: int, a: int, by: str, best: int | None) -> float:
    """E_p cos(q_p, q_m(p)) for one pair of images, in both directions, as the paper prints it."""
    total = 0.0
    for (here, k), (there, other) in (((left, i), (right, a)), ((right, a), (left, i))):
        assert here.maps is not None
        assert there.maps is not None
        assert here.positions is not None
        assert there.positions is not None
        assert here.valid is not None
        assert there.valid is not None
        found = []
        for p in here.valid[graph].nonzero().flatten().tolist():
            options = []
            for q in there.valid[graph].nonzero().flatten().tolist():
                if by == "position":
                    distance = (here.positions[graph, k, p] - there.positions[graph, other, q]).norm()
                else:
                    distance = (here.maps[graph, k, p] - there.maps[graph, other, q]).norm()
                options.append((float(distance), cosine(here.maps[graph, k, p], there.maps[graph, other, q])))
            found.append(min(options))
        found.sort()
        chosen = found[: best or len(found)]
        total += sum(c for _, c in chosen) / len(chosen)
    return total


@pytest.mark.parametrize("by", ["position", "feature"])
@pytest.mark.parametrize("best", [None, 2])
@given(seed=SEEDS, padded=st.integers(0, 2))
def test_nearest_patches(by: str, best: int | None, seed: int, padded: int) -> None:
    left, right = sides(seed, n=2, m=2, p=3 + padded, q=4 + padded, padded=padded)
    score = gmssl.part("affinity", "nearest_patches", by=by, best=best).score(left, right)
    for graph in range(2):
        for i in range(2):
            for a in range(2):
                expected = local_term(left, right, graph, i, a, by, best)
                assert float(score[graph, i, a]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("by", ["position", "feature"])
def test_an_image_is_most_alike_to_itself(by: str) -> None:
    left, _ = sides(0)
    score = gmssl.part("affinity", "nearest_patches", by=by).score(left, left)
    torch.testing.assert_close(score.diagonal(dim1=1, dim2=2), torch.full((2, 3), 2.0, dtype=torch.float64))
    assert bool((score <= 2 + 1e-9).all())


@pytest.mark.parametrize(
    "term",
    [
        gmssl.part("affinity", "cosine"),
        gmssl.part("affinity", "inner_product"),
        gmssl.part("affinity", "softplus"),
        gmssl.part("affinity", "nearest_patches"),
        gmssl.part("affinity", "nearest_patches", by="feature", best=2),
        gmssl.part("affinity", "cosine_of_differences"),
        gmssl.part("affinity", "softplus_of_differences"),
    ],
    ids=lambda term: term.kind,
)
def test_gradients_agree_with_finite_differences(term: Affinity) -> None:
    left, right = sides(1)
    assert left.maps is not None

    def score(nodes: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        return term.score(Side(nodes, left.edges, maps, left.positions, left.valid), right)

    inputs = left.nodes.clone().requires_grad_(), left.maps.clone().requires_grad_()
    assert torch.autograd.gradcheck(score, inputs)


def test_a_vanishing_difference_has_a_bounded_gradient() -> None:
    """Equal nodes: the plain cosine of differences has an infinite gradient, ours at most 1/ε for each factor."""
    nodes = torch.randn(1, 1, 8).repeat(1, 4, 1)
    nodes[:, 1] += 1e-7
    nodes.requires_grad_()
    edges = torch.tensor([[[0, 1], [2, 3]]])
    left, right = Side(nodes, edges), Side(torch.randn(1, 4, 8), edges)
    score = gmssl.part("affinity", "cosine_of_differences", epsilon=0.1).score(left, right)
    (gradient,) = torch.autograd.grad(score[0, 0, 0], nodes)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient.norm(dim=2).max()) <= 1 / 0.1 + 1e-3


def test_vertices_without_maps_are_named() -> None:
    side = Side(torch.randn(1, 2, 3), torch.zeros(1, 0, 2, dtype=torch.int64))
    with pytest.raises(ProblemError, match="these vertices have none"):
        gmssl.part("affinity", "nearest_patches").score(side, side)
