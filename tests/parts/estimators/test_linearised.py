"""`identity` and `straight_through` in closed form, and the linearisation behind both."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.parts.estimators.linearised import pulled, pushed
from gmssl.problem import Pairs, Problem, energy, lift, solve
from gmssl.testing.estimator_contract import random_upstream
from gmssl.testing.strategies import problems

EXHAUSTIVE = gmssl.part("solver", "exhaustive")
DOUBLE = (torch.float64,)


def gradient(estimator: GradientEstimator, problem: Problem, upstream: Pairs) -> Pairs:
    costs = problem.costs.map(lambda x: x.clone().requires_grad_())
    matching = estimator.match(EXHAUSTIVE, problem.with_costs(costs), torch.Generator().manual_seed(0)).matching
    loss = (matching.vertex * upstream.vertex).sum() + (matching.edge * upstream.edge).sum()
    return Pairs(*torch.autograd.grad(loss, (costs.vertex, costs.edge)))


@given(problem=problems(dtypes=DOUBLE), seed=st.integers(0, 2**31))
def test_pushed_is_the_derivative_of_lift_and_pulled_its_transpose(problem: Problem, seed: int) -> None:
    topology, drawn, change = problem.topology, random_upstream(problem, seed), random_upstream(problem, seed + 1)
    x, h, w = drawn.vertex, change.vertex, change.edge
    expected = torch.func.jvp(lambda v: lift(v, topology).edge, (x,), (h,))[1]
    torch.testing.assert_close(pushed(h, x, topology), expected)
    there = (w * pushed(h, x, topology)).sum((1, 2))
    torch.testing.assert_close((h * pulled(w, x, topology)).sum((1, 2)), there)


@given(problem=problems(dtypes=DOUBLE), seed=st.integers(0, 2**31))
def test_pulled_costs_are_the_derivative_of_the_energy(problem: Problem, seed: int) -> None:
    x = random_upstream(problem, seed).vertex.requires_grad_()
    total = energy(problem.costs, lift(x, problem.topology)).sum()
    expected = torch.autograd.grad(total, x)[0]
    linear = problem.costs.vertex + pulled(problem.costs.edge, x.detach(), problem.topology)
    torch.testing.assert_close(linear, expected)


@given(problem=problems(max_n=4, dtypes=DOUBLE), seed=st.integers(0, 2**31))
def test_identity_is_minus_a_square(problem: Problem, seed: int) -> None:
    """Written out: the Jacobian of c ↦ lift(−linearised costs), transposed, times the upstream gradient."""
    upstream, x = random_upstream(problem, seed), solve(problem, EXHAUSTIVE).matching.vertex

    def relaxed(vertex: torch.Tensor, edge: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        linear = (vertex + pulled(edge, x, problem.topology)) * problem.topology.allowed
        return -linear, -pushed(linear, x, problem.topology)

    _, back = torch.func.vjp(relaxed, problem.costs.vertex, problem.costs.edge)
    expected = back((upstream.vertex, upstream.edge))
    found = gradient(gmssl.part("estimator", "identity"), problem, upstream)
    torch.testing.assert_close(found.vertex, expected[0])
    torch.testing.assert_close(found.edge, expected[1])
    assert not found.vertex[~problem.topology.allowed].any()


@pytest.mark.parametrize("partial", [False, True])
@given(problem=problems(max_n=4, dtypes=DOUBLE), seed=st.integers(0, 2**31))
def test_straight_through_is_autograd_through_the_softmax(problem: Problem, partial: bool, seed: int) -> None:
    """The softmax of the linearised costs, over the longer side, lifted to first order around the matching."""
    if partial:
        problem = problem.partially()
    temperature, topology = 0.6, problem.topology
    upstream, x = random_upstream(problem, seed), solve(problem, EXHAUSTIVE).matching.vertex
    over = 2 if x.shape[1] <= x.shape[2] else 1
    weight = topology.allowed.double()
    costs = problem.costs.map(lambda c: c.clone().requires_grad_())
    linear = costs.vertex + pulled(costs.edge, x, topology)
    likely = weight * torch.exp(-linear / temperature)
    p = likely / (likely.sum(over, keepdim=True) + float(partial))  # exp(−0) for staying alone
    loss = (upstream.vertex * p).sum() + (upstream.edge * pushed(p, x, topology)).sum()
    expected = torch.autograd.grad(loss, (costs.vertex, costs.edge), allow_unused=True)
    found = gradient(gmssl.part("estimator", "straight_through", temperature=temperature), problem, upstream)
    torch.testing.assert_close(found.vertex, expected[0])
    torch.testing.assert_close(found.edge, expected[1])


def test_straight_through_takes_the_softmax_under_noise() -> None:
    """As Jang et al. do: forward and backward see the same draw."""
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    problem = Problem.build(torch.randn(1, 1, 4, dtype=torch.float64), none, none, torch.zeros(1, 0, 0).double())
    upstream = random_upstream(problem, 0)
    noise = gmssl.part("noise", "gumbel").sample(problem.costs.vertex, torch.Generator().manual_seed(0))
    found = gradient(gmssl.part("estimator", "straight_through", noise="gumbel"), problem, upstream)
    logits = (noise - problem.costs.vertex).requires_grad_()
    (logits.softmax(2) * upstream.vertex).sum().backward()
    assert logits.grad is not None
    torch.testing.assert_close(found.vertex, -logits.grad)


def test_gradient_of_a_satisfied_hamming_loss() -> None:
    """Documented: identity pulls on, straight_through fades with the softmax."""
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    target = torch.eye(3, dtype=torch.float64)[None]
    problem = Problem.build(-20 * target, none, none, torch.zeros(1, 0, 0).double(), target=target)
    upstream = Pairs(1 - 2 * target, torch.zeros(1, 0, 0).double())
    assert torch.equal(gradient(gmssl.part("estimator", "identity"), problem, upstream).vertex, 2 * target - 1)
    fading = gradient(gmssl.part("estimator", "straight_through"), problem, upstream).vertex
    assert 0 < float(fading.abs().max()) < 1e-8
