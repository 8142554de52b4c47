"""The score-function estimate is the derivative of the expected loss, within its standard error."""

from __future__ import annotations

import math

import pytest
import torch

import gmssl
from gmssl.errors import RecipeError
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.problem import Pairs, Problem
from gmssl.testing.oracles import lifted, matchings

EXHAUSTIVE = gmssl.part("solver", "exhaustive")
GAUSSIAN = {"kind": "gaussian", "temperature": 0.7}
GUMBEL = {"kind": "gumbel", "temperature": 0.5}


def problem_of(n: int, seed: int) -> tuple[Problem, Pairs]:
    """One problem with edges, and a linear loss on vertices and edges."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    left, right = (torch.randint(n, (1, 3, 2), generator=generator) for _ in range(2))
    return Problem.build(draw(1, n, n), left, right, draw(1, 3, 3)), Pairs(draw(1, n, n), draw(1, 3, 3))


def enumerated(problem: Problem) -> torch.Tensor:
    """All matchings of one problem with their edges, `[K,d]`, by plain loops."""
    n, m = problem.costs.vertex.shape[1:]
    rows = []
    for columns in matchings(problem, 0):
        vertex = [[float(columns[i] == s) for s in range(m)] for i in range(n)]
        rows.append([x for row in [*vertex, *lifted(problem, 0, vertex)] for x in row])
    return torch.tensor(rows, dtype=torch.float64)


def flat(pairs: Pairs) -> torch.Tensor:
    """`[G,d]`."""
    return torch.cat([pairs.vertex.flatten(1), pairs.edge.flatten(1)], 1)


def estimates(estimator: GradientEstimator, problem: Problem, upstream: Pairs, repeats: int) -> torch.Tensor:
    """Independent estimates `[repeats,d]`."""
    costs = problem.repeat(repeats).costs.map(lambda x: x.requires_grad_())
    given = problem.repeat(repeats).with_costs(costs)
    matching = estimator.match(EXHAUSTIVE, given, torch.Generator().manual_seed(1)).matching
    loss = (flat(matching) * flat(upstream)).sum()
    return flat(Pairs(*torch.autograd.grad(loss, (costs.vertex, costs.edge))))


def close_within_error(drawn: torch.Tensor, expected: torch.Tensor) -> bool:
    """Every mean within 5 standard errors; of a few dozen entries none is farther by chance."""
    error = drawn.std(0) / math.sqrt(len(drawn))
    return bool(((drawn.mean(0) - expected).abs() <= 5 * error + 1e-9).all())


@pytest.mark.parametrize("samples", [2, 5])
def test_two_matchings_have_a_gradient_in_closed_form(samples: int) -> None:
    """z¹ wins if ⟨ε, z¹ − z²⟩ > ⟨c, z¹ − z²⟩; under normal noise with the probability Φ(−Δ / (σ ‖z¹ − z²‖))."""
    estimator = gmssl.part("estimator", "perturbed", noise=GAUSSIAN, samples=samples)
    for seed in range(2):
        problem, upstream = problem_of(2, seed)
        one, other = enumerated(problem)
        difference = one - other
        width = 0.7 * difference.norm()
        scaled = (flat(problem.costs)[0] * difference).sum() / width
        density = torch.exp(-scaled.square() / 2) / math.sqrt(2 * math.pi)
        expected = -(flat(upstream)[0] * difference).sum() * density * difference / width
        assert close_within_error(estimates(estimator, problem, upstream, 20_000), expected)


def test_a_constant_added_to_the_loss_adds_no_variance() -> None:
    """All samples lose the same: the baseline takes it away."""
    problem, upstream = problem_of(3, 0)
    every_row = Pairs(torch.ones_like(upstream.vertex), torch.zeros_like(upstream.edge))
    estimator = gmssl.part("estimator", "perturbed", samples=2)
    assert float(estimates(estimator, problem, every_row, 10).abs().max()) < 1e-12


@pytest.mark.parametrize("kind", ["none", "sum_of_gamma"])
def test_noise_without_density_is_refused(kind: str) -> None:
    for name in ("noise", "edge_noise"):
        with pytest.raises(RecipeError, match=f"noise '{kind}' has no density to differentiate; use"):
            gmssl.part("estimator", "perturbed", **{name: kind})
    with pytest.raises(RecipeError, match="samples"):
        gmssl.part("estimator", "perturbed", samples=1)
