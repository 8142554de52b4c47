"""A certificate may say "not proven" at will, but never "proven" of a matching that is not the only optimum."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from gmssl.parts.estimators import certificate
from gmssl.parts.estimators.certificate import assigned, lifted, proves_optimal
from gmssl.problem import Pairs, Problem, energy, lift, vertex_matching
from gmssl.testing.generators import paired_embeddings


def random_problem(
    seed: int, n: int, m: int, strength: float, duplicated: bool, ordered: bool = False
) -> tuple[Problem, torch.Tensor]:
    """`ordered`: right edges by their tails, equally many of each, as in a kNN graph."""
    generator = torch.Generator().manual_seed(seed)
    edges_left, edges_right = 2 * n, 2 * m
    left = torch.randint(n, (3, edges_left, 2), generator=generator)
    right = torch.randint(m, (3, edges_right, 2), generator=generator)
    if ordered:
        right[..., 0] = torch.arange(m).repeat_interleave(2)
    if duplicated:
        right[:, 1] = right[:, 0]
    vertex = torch.randn(3, n, m, generator=generator, dtype=torch.float64)
    edge = torch.randn(3, edges_left, edges_right, generator=generator, dtype=torch.float64)
    shorter, longer = sorted((n, m))
    chosen = torch.stack([torch.randperm(longer, generator=generator)[:shorter] for _ in range(3)])
    candidate = vertex_matching(chosen, longer, torch.float64)
    if n > m:
        candidate = candidate.mT.contiguous()
    allowed = (torch.rand(3, n, m, generator=generator) < 0.7) | (candidate > 0)
    problem = Problem.build(vertex + strength * (1 - 2 * candidate), left, right, edge, allowed)
    return problem, candidate


def all_matchings(n: int, m: int) -> torch.Tensor:
    shorter, longer = sorted((n, m))
    columns = torch.tensor(list(permutations(range(longer), shorter)))
    matchings = vertex_matching(columns, longer, torch.float64)
    return matchings if n <= m else matchings.mT.contiguous()


@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 4),
    m=st.integers(1, 4),
    strength=st.floats(0, 12),
    duplicated=st.booleans(),
    ordered=st.booleans(),
)
@example(seed=2607, n=2, m=1, strength=3.5, duplicated=False, ordered=False)  # a self-loop
def test_what_is_proven_is_the_only_optimum(
    seed: int, n: int, m: int, strength: float, duplicated: bool, ordered: bool
) -> None:
    problem, candidate = random_problem(seed, n, m, strength, duplicated, ordered)
    compiled, batched = proves_optimal(problem, candidate), certificate._batched(problem, candidate)
    assert bool((compiled | ~batched).all()), "compiled charges prove no less"
    proven = compiled | batched
    own = energy(problem.costs, lift(candidate, problem.topology))
    for matching in all_matchings(n, m):
        other = matching.expand_as(candidate)
        feasible = ~((other > 0) & ~problem.topology.allowed).any(2).any(1)
        differs = (other != candidate).any(2).any(1)
        better = energy(problem.costs, lift(other, problem.topology)) <= own
        assert not bool((proven & feasible & differs & better).any())


@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 4),
    m=st.integers(1, 4),
    duplicated=st.booleans(),
    ordered=st.booleans(),
)
def test_charges_cover_what_edges_gain(seed: int, n: int, m: int, duplicated: bool, ordered: bool) -> None:
    """E(x) − E(v) ≥ Σ_{i changed} b_i(x(i)) for every matching x, coarse and fine: the inequality of the proof."""
    problem, candidate = random_problem(seed, n, m, 0.0, duplicated, ordered)
    own, before = energy(problem.costs, lift(candidate, problem.topology)), assigned(candidate)
    differences = certificate._vertex_differences(problem, candidate)
    coarse = certificate._coarse(problem, candidate)[..., None].expand_as(differences)
    for charges in (coarse, certificate._fine(problem, candidate)):
        brackets = differences - charges
        for matching in all_matchings(n, m):
            other = matching.expand_as(candidate)
            after = assigned(other)
            paid = brackets.gather(2, after[..., None])[..., 0] * (after != before)
            assert bool((energy(problem.costs, lift(other, problem.topology)) - own >= paid.sum(1) - 1e-9).all())


@given(seed=st.integers(0, 2**31), n=st.integers(1, 5), m=st.integers(1, 5), duplicated=st.booleans())
def test_lifted_is_lift(seed: int, n: int, m: int, duplicated: bool) -> None:
    problem, candidate = random_problem(seed, n, m, 0.0, duplicated)
    candidate[:, 0] = 0  # a vertex that stays unmatched
    assert torch.equal(lifted(candidate, problem.topology).edge, lift(candidate, problem.topology).edge)


@pytest.mark.parametrize("strength", [30.0, 80.0])
def test_strong_targets_are_nearly_always_proven(strength: float) -> None:
    hits = [proves_optimal(*random_problem(seed, 6, 6, strength, False)).float().mean() for seed in range(20)]
    assert float(torch.stack(hits).mean()) > 0.9


def test_fine_charges_prove_more() -> None:
    """Under the noise of the paper, at a quarter of its λ."""
    drawn = paired_embeddings(16, 16, noise=1.0, gumbel=1.0)
    assert drawn.target is not None
    target = drawn.target
    problem = drawn.with_costs(Pairs(drawn.costs.vertex + 20 * (1 - 2 * target), drawn.costs.edge))
    coarse = certificate._vertex_differences(problem, target) - certificate._coarse(problem, target)[..., None]
    assert not bool(certificate._all_positive(problem, target, coarse).any())
    for proven in (proves_optimal(problem, target), certificate._batched(problem, target)):
        assert float(proven.float().mean()) > 0.9


def test_a_partial_candidate_proves_nothing() -> None:
    problem, candidate = random_problem(0, 4, 4, 80.0, False)
    candidate[:, 0] = 0
    assert not proves_optimal(problem, candidate).any()


def test_ties_prove_nothing() -> None:
    edges = torch.zeros(1, 0, 2, dtype=torch.int64)
    problem = Problem.build(torch.zeros(1, 3, 3), edges, edges, torch.zeros(1, 0, 0))
    assert not proves_optimal(problem, torch.eye(3)[None]).any()
