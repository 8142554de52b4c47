"""Numbers against a recomputation by hand."""

from __future__ import annotations

import pytest
import torch

import gmssl
from gmssl.benchmarking.solvers.contestants import REFERENCE, Contestant
from gmssl.benchmarking.solvers.instances import instances
from gmssl.benchmarking.solvers.scores import CERTIFIED, TOLERANCE, energies, long_run, rows
from gmssl.benchmarking.solvers.timing import Round, Trial
from gmssl.interfaces.solver import Solver
from gmssl.problem import vertex_matching
from gmssl.testing.oracles import energy_of


class Reference(Solver):
    """Stands for the peer, installed or not."""

    kind = REFERENCE
    uses_edges = True

    def solve(self, problem: gmssl.Problem) -> gmssl.Solution:
        raise NotImplementedError


@pytest.fixture
def problem() -> gmssl.Problem:
    return instances(5, 1, seed=0)


def solved(problem: gmssl.Problem, name: str, kind: str, **settings: object) -> Trial:
    solver = gmssl.part("solver", kind, **settings)
    vertex = Contestant(name, solver).solution(problem).matching.vertex
    return Trial(Contestant(name, solver), [Round(1e-3, 2e-3), Round(5e-3, 6e-3), Round(3e-3, 4e-3)], vertex)


def test_energies_are_those_of_the_oracle(problem: gmssl.Problem) -> None:
    columns = torch.rand(24, 5, generator=torch.Generator().manual_seed(0)).argsort(1)
    found = energies(problem, vertex_matching(columns, 5, torch.float32))
    assert found.dtype == torch.float64
    for graph in (0, 11, 23):
        assert found[graph].item() == pytest.approx(energy_of(problem, graph, tuple(columns[graph].tolist())))


def test_rows(problem: gmssl.Problem) -> None:
    best, lap = solved(problem, "all", "exhaustive"), solved(problem, "lap", "lap")
    peer = Trial(Contestant("peer", Reference()), [Round(2e-2, 4e-2), Round(5e-2, 6e-2)], lap.vertex)
    nowhere = torch.full((24,), torch.inf, dtype=torch.float64)
    (first, second, third), means = rows([best, lap, peer], problem, nowhere)
    optimum, others = energies(problem, best.vertex), energies(problem, lap.vertex)
    assert means == first.energies == optimum.tolist()
    assert first.gap == 0
    assert first.solved == 1
    assert first.no_worse == [True] * 24
    assert second.gap == pytest.approx((others - optimum).mean().item())
    assert second.gap > 0
    assert second.relative_gap == pytest.approx(((others - optimum) / optimum.abs().clamp(min=1)).mean().item())
    assert second.solved == (others - optimum < 1e-9).double().mean().item()
    assert 0 < second.solved < 1
    assert (first.rounds, first.wall_us, first.cpu_us) == (3, pytest.approx(3e-3 / 24 * 1e6), pytest.approx(4e3 / 24))
    assert first.building_us is None
    assert first.speed == pytest.approx((20 + 10) / 2), "rounds that both took part in: 20/1 and 50/5"
    assert first.cpu_speed == pytest.approx((20 + 10) / 2)
    assert third.speed == 1
    assert first.settings["limit"] == 50_000


def test_without_the_reference_nothing_is_compared_with_it(problem: gmssl.Problem) -> None:
    (row,), _ = rows([solved(problem, "lap", "lap")], problem, torch.zeros(24, dtype=torch.float64))
    assert (row.speed, row.cpu_speed, row.no_worse) == (None, None, None)


def test_worse_settings_are_found(problem: gmssl.Problem) -> None:
    best, lap = solved(problem, "all", "exhaustive"), solved(problem, "lap", "lap")
    peer = Trial(Contestant("peer", Reference()), [Round(1, 1)], best.vertex)
    row = rows([lap, peer], problem, energies(problem, best.vertex))[0][0]
    worse = energies(problem, lap.vertex) > energies(problem, best.vertex) + 1e-4
    assert row.no_worse == (~worse).tolist()
    assert not all(row.no_worse)


def test_bounds(problem: gmssl.Problem) -> None:
    trial = solved(problem, "all", "exhaustive")
    reached = energies(problem, trial.vertex)
    trial.bound = reached - reached.abs() * torch.tensor([0.0, 0.1] * 12)
    (row,), _ = rows([trial], problem, reached)
    assert row.bound_gap == pytest.approx(0.05)
    assert row.bound_gaps == pytest.approx([0.0, 0.1] * 12)
    assert row.certified == 0.5
    trial.bound = reached - 2 * CERTIFIED * reached.abs()
    assert rows([trial], problem, reached)[0][0].certified == 0


def test_the_bound_of_another_problem_is_no_bound(problem: gmssl.Problem) -> None:
    trial = solved(problem, "lap", "lap")
    trial.bound = torch.zeros(24)
    (row,), _ = rows([trial], problem, energies(problem, trial.vertex))
    assert (row.bound_gap, row.bound_gaps, row.certified) == (None, None, None)


def test_the_long_run_finds_the_optimum(problem: gmssl.Problem) -> None:
    optimum = energies(problem, solved(problem, "all", "exhaustive").vertex)
    assert (long_run(problem, 1 / 4) - optimum <= TOLERANCE * optimum.abs().clamp(min=1)).all()
