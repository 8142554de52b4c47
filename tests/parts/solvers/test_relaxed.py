"""`sinkhorn`, `unconstrained` and `given` against independent references."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import gmssl
from gmssl.errors import ProblemError

SIZES = st.integers(2, 5)


def problem_of(costs: torch.Tensor, **more: torch.Tensor) -> gmssl.Problem:
    none = torch.zeros(len(costs), 0, 2, dtype=torch.long)
    return gmssl.Problem.build(costs, none, none, costs.new_zeros(len(costs), 0, 0), **more)


@given(st.integers(0, 10**6), SIZES, SIZES)
def test_sinkhorn_scales_rows_and_columns(seed: int, n: int, m: int) -> None:
    """The optimum is the only matrix diag(u) exp(−c/τ) diag(v) with the right sums (Sinkhorn 1964)."""
    torch.manual_seed(seed)
    costs = torch.randn(2, n, m, dtype=torch.double)
    solver = gmssl.part("solver", "sinkhorn", temperature=0.5, iterations=500)
    solution = gmssl.solve(problem_of(costs), solver)
    x = solution.matching.vertex
    assert solution.converged.all()
    torch.testing.assert_close(x.sum(2), torch.ones(2, n, dtype=torch.double))
    torch.testing.assert_close(x.sum(1), torch.full((2, m), n / m, dtype=torch.double), rtol=1e-3, atol=0)
    scaled = x.log() + costs / 0.5  # log u_i + log v_s: second differences vanish
    crossed = scaled[:, 1:, 1:] - scaled[:, :-1, 1:] - scaled[:, 1:, :-1] + scaled[:, :-1, :-1]
    torch.testing.assert_close(crossed, torch.zeros_like(crossed), rtol=0, atol=1e-9)


@given(st.integers(0, 10**6), SIZES)
def test_sinkhorn_nears_the_transport_plan(seed: int, n: int) -> None:
    """Its energy is above the linear programme's by at most τ · n · log n."""
    torch.manual_seed(seed)
    costs = torch.randn(1, n, n, dtype=torch.double)
    solver = gmssl.part("solver", "sinkhorn", temperature=0.05, iterations=2000)
    energy = gmssl.solve(problem_of(costs), solver).energy.item()
    rows = torch.kron(torch.eye(n), torch.ones(1, n))
    columns = torch.kron(torch.ones(1, n), torch.eye(n))
    plan = linprog(costs.flatten().numpy(), A_eq=torch.cat([rows, columns]).numpy(), b_eq=torch.ones(2 * n).numpy())
    assert plan.fun - 1e-3 <= energy <= plan.fun + 0.05 * n * torch.tensor(float(n)).log().item() + 1e-3


def test_sinkhorn_leaves_a_forbidden_column_empty() -> None:
    allowed = torch.ones(1, 2, 3, dtype=torch.bool)
    allowed[0, :, 1] = False
    costs = torch.randn(1, 2, 3).requires_grad_()
    solution = gmssl.solve(problem_of(costs, allowed=allowed), gmssl.part("solver", "sinkhorn"))
    assert solution.matching.vertex[0, :, 1].tolist() == [0, 0]
    torch.testing.assert_close(solution.matching.vertex.sum(2), torch.ones(1, 2))
    solution.matching.vertex.square().sum().backward()
    assert costs.grad.isfinite().all()


@given(st.integers(0, 10**6), SIZES, SIZES)
def test_unconstrained_is_the_stationary_point(seed: int, n: int, m: int) -> None:
    torch.manual_seed(seed)
    costs, other = torch.randn(2, n, m), torch.randn(2, n, m)
    x = gmssl.solve(problem_of(costs), gmssl.part("solver", "unconstrained")).matching.vertex

    def value(y: torch.Tensor) -> torch.Tensor:
        return (costs * y + y.square() / 2).sum((1, 2))

    assert (value(x) <= value(other) + 1e-5).all()
    assert (value(x) <= value(x + 1e-2 * other)).all()


def test_given_returns_the_target_and_asks_for_it() -> None:
    solver, costs = gmssl.part("solver", "given"), torch.randn(2, 3, 3)
    target = torch.eye(3).flip(0).expand(2, 3, 3)
    solution = gmssl.solve(problem_of(costs, target=target), solver)
    assert torch.equal(solution.matching.vertex, target)
    torch.testing.assert_close(solution.energy, (costs * target).sum((1, 2)))
    with pytest.raises(ProblemError, match="has none"):
        gmssl.solve(problem_of(costs), solver)
