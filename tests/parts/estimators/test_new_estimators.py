"""Each estimator against an independent reference: enumeration, a closed form, or autograd."""

from __future__ import annotations

import pytest
import torch

import gmssl
from gmssl.benchmarking.estimators.expected_loss import Smoothing, expected_loss
from gmssl.problem import energy, lift

LAP = gmssl.part("solver", "lap")
EXHAUSTIVE = gmssl.part("solver", "exhaustive")
HAMMING = gmssl.part("loss", "hamming")


def problem_of(n: int = 3, graphs: int = 1, edges: int = 0, seed: int = 0) -> gmssl.Problem:
    random = torch.Generator().manual_seed(seed)
    ends = torch.randint(0, n, (2, graphs, edges, 2), generator=random)
    vertex, edge = (torch.randn(graphs, k, k, generator=random, dtype=torch.float64) for k in (n, edges))
    target = torch.eye(n, dtype=torch.float64).expand(graphs, n, n)
    return gmssl.Problem.build(vertex.requires_grad_(), *ends, edge.requires_grad_(), target=target)


def gradient_of(estimator, problem, solver=LAP, loss=HAMMING, seed=0) -> torch.Tensor:
    """`[G,d]`: vertex costs, then edge costs."""
    solution = estimator.match(solver, problem, torch.Generator().manual_seed(seed))
    grads = torch.autograd.grad(loss(solution.matching, problem).sum(), [*_leaves(problem)], allow_unused=True)
    return torch.cat([g.flatten(1) for g in grads if g is not None], 1)


def _leaves(problem):
    return (x for x in (problem.costs.vertex, problem.costs.edge) if x.numel())


@pytest.mark.parametrize("noise", ["gumbel", "gaussian"])
@pytest.mark.parametrize("edges", [0, 2])
def test_perturbed_is_unbiased(edges, noise):
    problem, samples = problem_of(edges=edges), 40_000
    estimator = gmssl.part("estimator", "perturbed", noise=noise, samples=samples)
    solver = EXHAUSTIVE if edges else LAP
    found = torch.stack([gradient_of(estimator, problem, solver, seed=seed)[0] for seed in range(4)])
    exact = expected_loss(problem.detach(), Smoothing(noise, 1.0), 100_000, torch.Generator().manual_seed(1)).gradient[
        0
    ]
    spread = found.std(0).mean().item() / 2
    assert (found.mean(0) - exact).abs().max().item() < 6 * spread + 0.01
    assert torch.cosine_similarity(found.mean(0), exact, dim=0) > 0.98


def test_identity_is_minus_the_upstream_gradient():
    problem = problem_of(graphs=4)
    found = gradient_of(gmssl.part("estimator", "identity"), problem)
    torch.testing.assert_close(found, (2 * problem.target - 1).flatten(1))  # the Hamming loss has 1 − 2x*


def test_fenchel_young_moves_towards_the_target():
    problem = problem_of(graphs=3, edges=2)
    loss = gmssl.part("loss", "fenchel_young")
    estimator = gmssl.part("estimator", "perturbed", noise="gumbel", samples=50)
    found = gradient_of(estimator, problem, EXHAUSTIVE, loss)
    mean = estimator.match(EXHAUSTIVE, problem, torch.Generator().manual_seed(0)).matching.detach()
    truth = lift(problem.target, problem.topology)
    difference = (truth - mean).map(lambda x: x.flatten(1))
    torch.testing.assert_close(found, torch.cat([difference.vertex, difference.edge], 1))


def test_fenchel_young_without_noise_is_the_distance_to_the_optimum():
    problem = problem_of(graphs=3)
    loss = gmssl.part("loss", "fenchel_young")
    solution = gmssl.part("estimator", "blackbox").match(LAP, problem, None)
    above = energy(problem.costs, lift(problem.target, problem.topology)) - gmssl.solve(problem.detach(), LAP).energy
    torch.testing.assert_close(loss(solution.matching, problem), above)
    assert (above >= -1e-9).all()
