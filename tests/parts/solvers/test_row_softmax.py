import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.errors import ProblemError

SOLVER = gmssl.part("solver", "row_softmax", temperature=0.3)


def problem_of(costs: torch.Tensor, allowed: torch.Tensor | None = None) -> gmssl.Problem:
    none = torch.zeros(len(costs), 0, 2, dtype=torch.long)
    return gmssl.Problem.build(costs, none, none, costs.new_zeros(len(costs), 0, 0), allowed=allowed)


def objective(costs: torch.Tensor, x: torch.Tensor, temperature: float) -> torch.Tensor:
    return (costs * x).sum((1, 2)) + temperature * torch.special.xlogy(x, x).sum((1, 2))


@given(st.integers(0, 10**6))
def test_minimises_energy_minus_entropy(seed):
    torch.manual_seed(seed)
    costs = torch.randn(2, 3, 4, dtype=torch.double)
    allowed = (torch.rand(2, 3, 4) < 0.7) | torch.eye(3, 4, dtype=torch.bool)
    solution = gmssl.solve(problem_of(costs, allowed), SOLVER)
    x = solution.matching.vertex
    torch.testing.assert_close(x.sum(2), torch.ones(2, 3, dtype=torch.double))
    other = torch.rand(2, 3, 4, dtype=torch.double) * allowed + 1e-3 * allowed
    other = other / other.sum(2, keepdim=True)
    for weight in (1.0, 0.1, 0.001):  # no feasible point is better, near or far
        there = (1 - weight) * x + weight * other
        assert (objective(costs, x, 0.3) <= objective(costs, there, 0.3) + 1e-12).all()


def test_gradient_by_finite_differences():
    costs = torch.randn(2, 3, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: gmssl.solve(problem_of(c), SOLVER).matching.vertex, costs)


def test_cold_rows_choose_their_cheapest_column():
    costs = torch.randn(4, 5, 3)
    cold = gmssl.solve(problem_of(costs), gmssl.part("solver", "row_softmax", temperature=1e-4))
    assert torch.equal(cold.matching.vertex.argmax(2), costs.argmin(2))


def test_lonely_row_of_the_longer_side_is_refused():
    allowed = torch.ones(2, 3, 2, dtype=torch.bool)
    allowed[1, 2] = False
    with pytest.raises(ProblemError, match="instance 1 allows no column for row 2"):
        gmssl.solve(problem_of(torch.zeros(2, 3, 2), allowed), SOLVER)
