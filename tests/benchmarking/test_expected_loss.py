"""The enumerated expected loss and its gradient, against closed forms and finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmssl
from gmssl.benchmarking.estimators.expected_loss import DENSITIES, ExpectedLoss, Smoothing, expected_loss
from gmssl.benchmarking.estimators.quality import FLAT
from gmssl.errors import ProblemError
from gmssl.problem import Pairs, Problem

DOUBLE = torch.float64
NONE = torch.zeros(1, 0, 2, dtype=torch.long)


def edgeless(vertex: torch.Tensor, target: torch.Tensor) -> Problem:
    """One instance."""
    return Problem.build(vertex[None], NONE, NONE, vertex.new_zeros(1, 0, 0), target=target[None])


def enumerated(problem: Problem, smoothing: Smoothing, draws: int = 4000, seed: int = 0) -> ExpectedLoss:
    return expected_loss(problem, smoothing, draws, torch.Generator().manual_seed(seed))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), m=st.integers(2, 5), temperature=st.sampled_from([0.1, 0.5, 2.0]))
def test_a_choice_of_one_under_gumbel_noise_is_a_softmax(seed: int, m: int, temperature: float) -> None:
    costs = torch.randn(1, m, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE).requires_grad_()
    target = torch.nn.functional.one_hot(torch.tensor([seed % m]), m).to(DOUBLE)
    loss = 2 * (1 - ((-costs / temperature).softmax(1) * target).sum())
    (expected,) = torch.autograd.grad(loss, costs)
    found = enumerated(edgeless(costs.detach(), target), Smoothing("gumbel", temperature), seed=seed)
    # Gradients that are all but 0 come from draws too rare to be met, and their errors, too, are unknown.
    assert (found.gradient - expected).norm().item() < 5 * found.error.item() + FLAT
    assert found.loss.item() == pytest.approx(loss.item(), abs=0.15)  # 5 standard errors of 4000 draws, at most


@pytest.mark.parametrize("seed", range(3))
def test_two_matchings_under_normal_noise_are_a_probit(seed: int) -> None:
    """The other matching, of loss 4, wins with the probability Φ(Δ / 2σ), Δ = c(x*) − c(other), of four noises."""
    costs = torch.randn(2, 2, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    signs = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=DOUBLE)
    scaled = (costs * signs).sum() / (2 * 0.8)
    density = math.exp(-(scaled.item() ** 2) / 2) / math.sqrt(2 * math.pi)
    found = enumerated(edgeless(costs, torch.eye(2, dtype=DOUBLE)), Smoothing("gaussian", 0.8))
    error = (found.gradient[0] - (4 * density / (2 * 0.8) * signs).flatten()).norm().item()
    assert error < 5 * found.error.item()
    assert found.loss.item() == pytest.approx(4 * torch.special.ndtr(scaled).item(), abs=0.16)


def second_order() -> Problem:
    random = torch.Generator().manual_seed(0)
    ends = torch.randint(0, 3, (2, 1, 2, 2), generator=random)
    vertex, edge = (torch.randn(1, k, k, generator=random, dtype=DOUBLE) for k in (3, 2))
    return Problem.build(vertex, *ends, edge, target=torch.eye(3, dtype=DOUBLE)[None])


@pytest.mark.parametrize("kind", DENSITIES)
def test_it_is_the_derivative_of_the_loss(kind: str) -> None:
    """Central differences of the enumerated loss with edges under the same draws, within their errors."""
    problem, step, draws = second_order(), 0.25, 20_000
    exact = enumerated(problem, Smoothing(kind, 1.0), draws)
    flat = torch.cat([problem.costs.vertex.flatten(1), problem.costs.edge.flatten(1)], 1)
    for k in (0, 4, 9):
        moved = []
        for sign in (1, -1):
            changed = flat.clone()
            changed[0, k] += sign * step
            costs = Pairs(changed[:, :9].view(1, 3, 3), changed[:, 9:].view(1, 2, 2))
            moved.append(enumerated(problem.with_costs(costs), Smoothing(kind, 1.0), draws).loss.item())
        assert exact.gradient[0, k].item() == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=0.06)


@pytest.mark.parametrize("kind", DENSITIES)
def test_costs_of_a_whole_row_matter_to_nobody(kind: str) -> None:
    """Every matching pays one cost of each row, so that the gradient sums to 0 over rows and over columns."""
    found = enumerated(second_order(), Smoothing(kind, 0.5), 20_000)
    vertex = found.gradient[0, :9].view(3, 3)
    for sums in (vertex.sum(0), vertex.sum(1)):
        assert sums.abs().max().item() < 5 * math.sqrt(3) * found.error.item()


def test_the_error_is_the_spread_over_repetitions() -> None:
    problem, smoothing = second_order(), Smoothing("gumbel", 0.5)
    found = [enumerated(problem, smoothing, 500, seed) for seed in range(60)]
    spread = torch.stack([one.gradient[0] for one in found]).var(0).sum().sqrt().item()
    assert torch.stack([one.error[0] for one in found]).mean().item() == pytest.approx(spread, rel=0.2)


def test_noise_without_a_closed_density_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"'sum_of_gamma' has no density in closed form.* use gumbel or gaussian"):
        Smoothing("sum_of_gamma", 1.0)


def test_densities_are_those_of_the_noises() -> None:
    """d log p from torch against `SmoothNoise.score` of ours."""
    values = torch.linspace(-1.5, 3, 20, dtype=DOUBLE, requires_grad=True)
    for kind in DENSITIES:
        log_density = Smoothing(kind, 0.7).density(values).log().sum()
        (slope,) = torch.autograd.grad(log_density, values)
        torch.testing.assert_close(slope, gmssl.part("noise", kind, temperature=0.7).score(values.detach()))
