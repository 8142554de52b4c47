"""What is told of second solves when the certificate decides some of them."""

from __future__ import annotations

import torch

import gmssl
from gmssl.parts.estimators.second_solve import solve_unless_certain
from gmssl.problem import BackwardRecord, Problem

EASY = [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
"""Each row prefers its partner, so that the truth is proven."""
FOUND = [[1.0, 0.0, 9.0], [9.0, 0.0, 9.0], [9.0, 9.0, 0.0]]
"""Row 0 prefers a column that row 1 needs more: the truth is not proven row by row, yet best."""
WRONG = [[9.0, 0.0, 9.0], [0.0, 9.0, 9.0], [9.0, 9.0, 0.0]]
"""Rows 0 and 1 are better off exchanged; row 2 is matched truly all the same."""


def test_shares_when_some_are_certified() -> None:
    costs = torch.tensor([WRONG, EASY, FOUND, WRONG, EASY, FOUND, WRONG, WRONG], dtype=torch.float64)
    graphs = len(costs)
    edges = torch.tensor([[[0, 1]]]).expand(graphs, -1, -1)
    target = torch.eye(3, dtype=torch.float64).expand(graphs, -1, -1)
    problem = Problem.build(costs, edges, edges, costs.new_zeros(graphs, 1, 1), target=target)
    record = BackwardRecord()
    solved = solve_unless_certain(gmssl.part("solver", "exhaustive"), problem, record)
    assert record.certified == 2 / 8
    assert record.target_is_truth == 4 / 8
    exchanged = torch.eye(3, dtype=torch.float64)[[1, 0, 2]]
    wrong = torch.tensor([True, False, False, True, False, False, True, True])
    assert torch.equal(solved.vertex, torch.where(wrong[:, None, None], exchanged, target))
