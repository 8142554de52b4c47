"""The energy as a loss."""

from __future__ import annotations

import pytest
import torch

import gmssl
from gmssl.problem import Problem, solve

NO_EDGES = torch.zeros(2, 0, 2, dtype=torch.int64)


def test_the_mean_over_rows_or_over_matched_pairs() -> None:
    costs = torch.arange(18.0).view(2, 3, 3).requires_grad_()
    target = torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, 1.0, 0.0]))])
    problem = Problem.build(costs, NO_EDGES, NO_EDGES, torch.zeros(2, 0, 0), target > 0, target)
    matching = solve(problem, gmssl.part("solver", "given")).matching
    assert gmssl.part("loss", "energy")(matching, problem).tolist() == pytest.approx([12 / 3, 22 / 3])
    loss = gmssl.part("loss", "energy", per="pair")(matching, problem)
    assert loss.tolist() == pytest.approx([12 / 3, 22 / 2])
    loss.sum().backward()
    torch.testing.assert_close(costs.grad, target / torch.tensor([3.0, 2.0])[:, None, None])


def test_solvers_that_match_every_node_refuse_padding() -> None:
    allowed = torch.eye(3).bool()[None].repeat(2, 1, 1)
    allowed[1, 2] = False
    problem = Problem.build(torch.zeros(2, 3, 3), NO_EDGES, NO_EDGES, torch.zeros(2, 0, 0), allowed, 1.0 * allowed)
    assert torch.equal(solve(problem, gmssl.part("solver", "given")).matching.vertex, 1.0 * allowed)
    with pytest.raises(gmssl.errors.ProblemError, match="allows no partner for left vertex 2"):
        solve(problem, gmssl.part("solver", "lap"))
