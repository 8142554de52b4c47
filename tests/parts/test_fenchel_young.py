"""The Fenchel–Young loss: its gradient is target minus mean matching, that of the perturbed energy."""

from __future__ import annotations

import torch

import gmssl
from gmssl.problem import Pairs, Problem, energy, lift, solve

LOSS = gmssl.part("loss", "fenchel_young")
EXHAUSTIVE = gmssl.part("solver", "exhaustive")


def problem_of(seed: int, graphs: int = 3, n: int = 3) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.randint(n, (graphs, 4, 2), generator=generator) for _ in range(2))
    vertex, edge = (torch.randn(graphs, k, k, generator=generator, dtype=torch.float64) for k in (n, 4))
    return Problem.build(vertex, left, right, edge, target=torch.eye(n, dtype=torch.float64).expand(graphs, n, n))


def truth(problem: Problem) -> Pairs:
    assert problem.target is not None
    return lift(problem.target, problem.topology)


def test_its_gradient_is_that_of_the_perturbed_energy() -> None:
    """Finite differences of ⟨c, x*⟩ − mean_s min_z ⟨c − ε_s, z⟩, which is piecewise linear in c, under fixed noise."""
    problem, samples = problem_of(1, graphs=1), 64
    noise = gmssl.part("noise", "gaussian")
    generator = torch.Generator().manual_seed(3)
    drawn = problem.costs.repeat(samples).map(lambda x: noise.sample(x, generator))

    def value(costs: Pairs) -> float:
        perturbed = problem.repeat(samples).with_costs(costs.repeat(samples) - drawn)
        return float(energy(costs, truth(problem)).sum() - solve(perturbed, EXHAUSTIVE).energy.mean())

    perturbed = problem.repeat(samples).with_costs(problem.costs.repeat(samples) - drawn)
    mean = solve(perturbed, EXHAUSTIVE).matching.map(lambda x: x.mean(0, keepdim=True))
    costs = problem.costs.map(lambda x: x.clone().requires_grad_())
    LOSS(mean, problem.with_costs(costs)).sum().backward()
    step = 1e-7
    for name in ("vertex", "edge"):
        found = getattr(costs, name).grad.flatten()
        for k in range(len(found)):
            moved = {}
            for sign in (1, -1):
                changed = problem.costs.map(torch.clone)
                getattr(changed, name).view(-1)[k] += sign * step
                moved[sign] = value(changed)
            assert abs((moved[1] - moved[-1]) / (2 * step) - float(found[k])) < 1e-6
