"""Adaptive I-MLE: I-MLE at the least λ of its grid that reaches the target sparsity."""

from __future__ import annotations

import pytest
import torch

import gmssl
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.problem import Pairs, Problem
from gmssl.testing.estimator_contract import random_upstream

EXHAUSTIVE = gmssl.part("solver", "exhaustive")
STRONGEST, CANDIDATES = 64.0, 12
GRID = [STRONGEST / 2**k for k in range(CANDIDATES)][::-1]


def random_problem(graphs: int, n: int = 4) -> Problem:
    generator = torch.Generator().manual_seed(n)
    left, right = (torch.randint(n, (graphs, 5, 2), generator=generator) for _ in range(2))
    vertex, edge = (torch.randn(graphs, k, k, generator=generator, dtype=torch.float64) for k in (n, 5))
    return Problem.build(vertex, left, right, edge)


def gradient(estimator: GradientEstimator, problem: Problem, upstream: Pairs) -> Pairs:
    costs = problem.costs.map(lambda x: x.clone().requires_grad_())
    matching = estimator.match(EXHAUSTIVE, problem.with_costs(costs), torch.Generator().manual_seed(0)).matching
    loss = (matching.vertex * upstream.vertex).sum() + (matching.edge * upstream.edge).sum()
    return Pairs(*torch.autograd.grad(loss, (costs.vertex, costs.edge)))


def nonzeros(pairs: Pairs) -> torch.Tensor:
    return (pairs.vertex != 0).sum((1, 2)).double()


@pytest.mark.parametrize("target", [1.0, 4.0, 7.0])
def test_it_is_imle_at_the_least_strength_that_reaches_the_target(target: float) -> None:
    problem = random_problem(40)
    upstream = random_upstream(problem, 0)
    settings = {"target": target, "strongest": STRONGEST, "candidates": CANDIDATES}
    found = gradient(gmssl.part("estimator", "aimle", **settings), problem, upstream)
    on_grid = [gradient(gmssl.part("estimator", "imle", strength=s), problem, upstream) for s in GRID]
    for graph in range(40):
        changed = [float(nonzeros(g)[graph]) for g in on_grid]
        chosen = next((k for k, count in enumerate(changed) if count >= target), CANDIDATES - 1)
        torch.testing.assert_close(found.vertex[graph], on_grid[chosen].vertex[graph])
        torch.testing.assert_close(found.edge[graph], on_grid[chosen].edge[graph])


@pytest.mark.parametrize("target", [1.0, 2.0, 4.0])
def test_the_target_sparsity_is_reached(target: float) -> None:
    """In the mean over many samples, N(λ) is at the target, and no farther above it than one step of λ leads."""
    problem, samples = random_problem(30), 64
    upstream = random_upstream(problem, 0)
    # The same noise in both: samples of a problem, and single draws of as many copies.
    expected = torch.stack([_expected_nonzeros(problem, upstream, s, samples) for s in GRID])
    reached = expected >= target
    reachable = reached[-1]
    assert int(reachable.sum()) > 20
    chosen = reached.int().argmax(0)[reachable]
    mean = float(expected[:, reachable].gather(0, chosen[None]).mean())
    assert target <= mean < 1.5 * target
    settings = {"target": target, "strongest": STRONGEST, "candidates": CANDIDATES, "samples": samples}
    found = gradient(gmssl.part("estimator", "aimle", **settings), problem, upstream)
    on_grid = [gradient(gmssl.part("estimator", "imle", strength=s, samples=samples), problem, upstream) for s in GRID]
    for graph, best in zip(reachable.nonzero().flatten().tolist(), chosen.tolist(), strict=True):
        torch.testing.assert_close(found.vertex[graph], on_grid[best].vertex[graph])


def _expected_nonzeros(problem: Problem, upstream: Pairs, strength: float, samples: int) -> torch.Tensor:
    repeated, given = problem.repeat(samples), upstream.repeat(samples)
    each = gradient(gmssl.part("estimator", "imle", strength=strength), repeated, given)
    return nonzeros(each).view(samples, -1).mean(0)


def test_central_differences_look_both_ways() -> None:
    problem = random_problem(40)
    upstream = random_upstream(problem, 0)
    one_sided = {sign: _noiseless(problem, upstream.scale(sign)) for sign in (1.0, -1.0)}
    both = gmssl.part("estimator", "aimle", noise="none", central=True, candidates=1, strongest=8.0)
    # z(+λ) − z(−λ) = (z(+λ) − z) − (z(−λ) − z), over 2λ; the second term is what −g gives, with its sign.
    expected = (one_sided[1.0] - one_sided[-1.0]).scale(0.5)
    torch.testing.assert_close(gradient(both, problem, upstream).vertex, expected.vertex)
    torch.testing.assert_close(gradient(both, problem, upstream).edge, expected.edge)


def _noiseless(problem: Problem, upstream: Pairs) -> Pairs:
    return gradient(gmssl.part("estimator", "blackbox", strength=8.0), problem, upstream)


def test_one_candidate_is_imle() -> None:
    problem = random_problem(20)
    upstream = random_upstream(problem, 0)
    one = gradient(gmssl.part("estimator", "aimle", strongest=5.0, candidates=1, samples=3), problem, upstream)
    other = gradient(gmssl.part("estimator", "imle", strength=5.0, samples=3), problem, upstream)
    torch.testing.assert_close(one.vertex, other.vertex)
    torch.testing.assert_close(one.edge, other.edge)


def test_it_keeps_nothing() -> None:
    """A step does not depend on the steps before: a resumed run goes on as one that never stopped."""
    problem = random_problem(20)
    estimator = gmssl.part("estimator", "aimle")
    first = gradient(estimator, problem, random_upstream(problem, 0))
    gradient(estimator, problem, random_upstream(problem, 1).scale(1e6))
    again = gradient(estimator, problem, random_upstream(problem, 0))
    assert torch.equal(first.vertex, again.vertex)
    assert estimator == gmssl.part("estimator", "aimle")
