"""A certificate may say "not proven" at will, but never "proven" of a matching that is not the only optimum."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.energy import energy, lift, vertex_matching
from gmssl.estimators.certificate import proves_optimal
from gmssl.problem import Problem


def random_problem(seed: int, n: int, m: int, strength: float, duplicated: bool) -> tuple[Problem, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    edges_left, edges_right = 2 * n, 2 * m
    left = torch.randint(n, (3, edges_left, 2), generator=generator)
    right = torch.randint(m, (3, edges_right, 2), generator=generator)
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
)
def test_what_is_proven_is_the_only_optimum(seed: int, n: int, m: int, strength: float, duplicated: bool) -> None:
    problem, candidate = random_problem(seed, n, m, strength, duplicated)
    proven = proves_optimal(problem, candidate)
    own = energy(problem.costs, lift(candidate, problem.topology))
    for matching in all_matchings(n, m):
        other = matching.expand_as(candidate)
        feasible = ~((other > 0) & ~problem.topology.allowed).any(2).any(1)
        differs = (other != candidate).any(2).any(1)
        better = energy(problem.costs, lift(other, problem.topology)) <= own
        assert not bool((proven & feasible & differs & better).any())


@pytest.mark.parametrize("strength", [30.0, 80.0])
def test_strong_targets_are_nearly_always_proven(strength: float) -> None:
    hits = [proves_optimal(*random_problem(seed, 6, 6, strength, False)).float().mean() for seed in range(20)]
    assert float(torch.stack(hits).mean()) > 0.9


def test_a_partial_candidate_proves_nothing() -> None:
    problem, candidate = random_problem(0, 4, 4, 80.0, False)
    candidate[:, 0] = 0
    assert not proves_optimal(problem, candidate).any()


def test_ties_prove_nothing() -> None:
    edges = torch.zeros(1, 0, 2, dtype=torch.int64)
    problem = Problem.build(torch.zeros(1, 3, 3), edges, edges, torch.zeros(1, 0, 0))
    assert not proves_optimal(problem, torch.eye(3)[None]).any()
