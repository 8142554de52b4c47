"""The solver `lagrange`: what it makes of the bound. The ascent has tests of its own."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.errors import ProblemError
from gmssl.parts.solvers.outcome import rounded_down
from gmssl.parts.solvers.relabelling import turned
from gmssl.problem import Problem
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.oracles import least_assignment
from gmssl.testing.solver_contract import SolverContract
from gmssl.testing.solver_laws import same
from gmssl.testing.variants import edgeless

HARD = paired_embeddings(6, 10, noise=3, gumbel=0.5, seed=1)
"""After 100 iterations some of these are solved and others have a gap."""


def lagrange(**settings):
    return gmssl.part("solver", "lagrange", **settings)


def rectangular() -> Problem:
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randint(0, size, (4, 20, 2), generator=generator) for size in (8, 7))
    edge = torch.randn(4, 20, 20, generator=generator)
    return Problem.build(torch.randn(4, 8, 7, generator=generator), left, right, edge)


class TestAdjacentPairs(SolverContract):
    solver = lagrange(pairs="adjacent", iterations=20, every=10)
    examples = 10


@pytest.mark.parametrize("pairs", ["adjacent", "all"])
@pytest.mark.parametrize("turn", [False, True])
def test_without_edges_the_bound_is_the_linear_assignment_at_once(pairs, turn):
    problem = edgeless(rectangular())
    problem = turned(problem) if turn else problem
    solution = gmssl.solve(problem, lagrange(iterations=0, pairs=pairs))
    for g, bound in enumerate(solution.bound.tolist()):
        assert bound == pytest.approx(least_assignment(problem, g), rel=1e-6)
    assert solution.converged.all()


def test_converged_says_that_the_gap_is_within_the_tolerance():
    largest = float(gmssl.solve(HARD, lagrange(iterations=100, tolerance=0)).gap.max())
    solution = gmssl.solve(HARD, lagrange(iterations=100, tolerance=0.75 * largest))
    assert torch.equal(solution.converged, solution.gap <= 0.75 * largest)
    assert solution.converged.any()
    assert not solution.converged.all()
    proven = gmssl.solve(paired_embeddings(4, 8, noise=0.5), lagrange())
    assert proven.converged.all()
    assert (proven.gap <= 1e-4).all()


def test_threads_change_nothing():
    one, two = (gmssl.solve(HARD, lagrange(iterations=50, threads=threads)) for threads in (1, 2))
    assert same(one, two)
    assert all(map(torch.equal, vars(one.multipliers).values(), vars(two.multipliers).values()))


def test_a_warm_start_through_the_solver():
    for problem in (rectangular(), turned(rectangular())):
        cold = lagrange(iterations=60).solve(problem)
        warm = lagrange(iterations=0).solve(problem, cold.multipliers)
        assert (warm.bound >= cold.bound - 1e-5).all()
        assert warm.bound.mean() > lagrange(iterations=0).solve(problem).bound.mean() + 1


def test_time_ends_the_ascent():
    solver = lagrange(iterations=10**9, tolerance=0, seconds=0.5, threads=1)
    gmssl.solve(HARD, lagrange(iterations=1))  # compile
    begin = perf_counter()
    solution = gmssl.solve(HARD, solver)
    assert 0.4 < perf_counter() - begin < 5
    assert not solution.converged.all()
    assert (solution.bound <= solution.energy).all()


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=5),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
)
def test_rounding_never_raises_a_bound_and_lowers_it_by_one_step_at_most(bounds, dtype):
    exact = torch.tensor(bounds, dtype=torch.float64)
    rounded = rounded_down(exact, dtype)
    assert rounded.dtype == dtype
    assert (rounded.double() <= exact).all()
    above = torch.nextafter(rounded, torch.full_like(rounded, torch.inf))
    assert (above.double() > exact).all()


def test_bounds_of_single_precision_are_below_those_of_double():
    double = HARD.with_costs(HARD.costs.map(torch.Tensor.double))
    low, high = (gmssl.solve(p, lagrange(iterations=50, tolerance=0)).bound for p in (HARD, double))
    assert (low.dtype, high.dtype) == (torch.float32, torch.float64)
    assert (low.double() <= high).all()
    torch.testing.assert_close(low.double(), high, rtol=1e-6, atol=0)


def test_certify():
    problem = paired_embeddings(4, 8, noise=0.5)
    good = gmssl.certify(problem, problem.target, lagrange())
    assert good.converged.all()
    bad = gmssl.certify(problem, problem.target.roll(1, 2), lagrange())
    assert torch.equal(bad.matching.vertex, problem.target.roll(1, 2))
    assert not bad.converged.any()
    assert (bad.gap > 0.1).all()
    torch.testing.assert_close(bad.bound, good.bound)


@pytest.mark.parametrize("turn", [False, True])
def test_impossible_mask_names_the_instance(turn):
    allowed = torch.ones(3, 3, 4, dtype=torch.bool)
    allowed[1, :2, 1:] = False
    edges = torch.tensor([[0, 1]]).expand(3, 1, 2)
    problem = Problem.build(torch.zeros(3, 3, 4), edges, edges, torch.ones(3, 1, 1), allowed)
    with pytest.raises(ProblemError, match=r"instance 1 permits no one-to-one matching .* \(1 of 3 instances\)"):
        gmssl.solve(turned(problem) if turn else problem, lagrange(iterations=1))


def test_roundings_replace_what_a_poor_search_found():
    problem = paired_embeddings(12, 12, noise=1.5, gumbel=0.3, seed=2)
    poor = gmssl.part("solver", "robust_tabu", starts=1, iterations=0, agree=None)
    searched, rounded = (gmssl.solve(problem, s) for s in (poor, lagrange(polish=poor, iterations=200)))
    assert (rounded.energy <= searched.energy).all()
    assert rounded.energy.mean() < searched.energy.mean() - 1
    assert (rounded.bound <= rounded.energy).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    old = HARD.topology
    there = Problem.build(
        HARD.costs.vertex.cuda(), old.left.cuda(), old.right.cuda(), HARD.costs.edge.cuda(), old.allowed.cuda()
    )
    one, other = (gmssl.solve(problem, lagrange(iterations=100)) for problem in (HARD, there))
    assert other.bound.is_cuda
    torch.testing.assert_close(other.bound.cpu(), one.bound, rtol=1e-5, atol=0)
    for g in range(len(one.bound)):
        index = torch.tensor([g])
        assert torch.equal(
            gmssl.solve(there.select(index.cuda()), lagrange(iterations=100)).bound, other.bound[g : g + 1]
        )
    warm = lagrange(iterations=0).solve(there, one.multipliers)
    torch.testing.assert_close(warm.bound.cpu(), one.bound, rtol=1e-5, atol=0)


def test_multipliers_of_other_problems_are_refused():
    problem = paired_embeddings(1, 6, noise=1, neighbours=1)
    adjacent, every = (gmssl.part("solver", "lagrange", iterations=10, pairs=p) for p in ("adjacent", "all"))
    other = adjacent.solve(problem).multipliers
    with pytest.raises(ProblemError, match=r"multipliers.tail has shape .* same setting of `pairs`"):
        every.solve(problem, other)
    with pytest.raises(ProblemError, match=r"multipliers\.capacity is not finite"):
        adjacent.solve(problem, replace(other, capacity=other.capacity - 1))
