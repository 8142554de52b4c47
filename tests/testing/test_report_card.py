"""Speed and solved share."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

import gmssl
from gmssl.interfaces.solver import Solver
from gmssl.parts.solvers.outcome import outcome
from gmssl.problem import Problem, Solution
from gmssl.testing.report_card import CONTRACTS, measured, verdicts


class Diagonal(Solver):
    """Matches i with i."""

    kind: ClassVar[str] = "diagonal"
    uses_edges: ClassVar[bool] = True
    batches: ClassVar[list[int]] = []

    def solve(self, problem: Problem) -> Solution:
        graphs, n, _ = problem.costs.vertex.shape
        self.batches.append(graphs)
        return outcome(problem, torch.arange(n).expand(graphs, n), torch.ones(graphs, dtype=torch.bool), proven=False)


def test_best_known_energies_are_solved():
    strong = gmssl.part("solver", "robust_tabu", starts=64, iterations=250)
    found = measured(strong, 8)
    assert found.n == 8
    assert found.instances == 96
    assert found.microseconds > 0
    assert found.solved == 1.0


def test_others_are_not():
    assert measured(Diagonal(), 8).solved == pytest.approx(0, abs=0.05)


def test_slow_solvers_get_fewer_instances(monkeypatch):
    monkeypatch.setattr("gmssl.testing.report_card.PATIENCE", 0.0)
    Diagonal.batches.clear()
    assert measured(Diagonal(), 6).instances == 6
    assert max(Diagonal.batches) == 6


def test_solvers_without_edges_are_compared_without_edges():
    assert measured(gmssl.part("solver", "lap"), 10).solved == 1.0


def test_relaxed_solvers_have_no_share():
    assert measured(gmssl.part("solver", "row_softmax"), 6).solved is None


def test_refusals_are_told():
    found = measured(gmssl.part("solver", "exhaustive", limit=100), 6)
    assert found.instances == 0
    assert "more than the limit of 100" in found.refusal


@pytest.mark.parametrize("slot", CONTRACTS)
def test_verdicts_are_the_same_in_each_run(slot):
    part = gmssl.part(slot, {"solver": "lap", "estimator": "imle", "affinity": "cosine"}[slot])
    first, second = (list(verdicts(part, examples=2)) for _ in range(2))
    assert first == second
    assert all(v.reason for v in first)
