"""The laws of solvers; and that pylibmgm's models hold our energies."""

from __future__ import annotations

import sys
from itertools import product

import pytest
import torch
from hypothesis import given, settings

import gmssl
from gmssl.errors import PluginError
from gmssl.testing.oracles import energy_of, matchings
from gmssl.testing.solver_contract import SolverContract
from gmssl.testing.strategies import knn_problem, problems

pylibmgm = pytest.importorskip("pylibmgm", reason="pylibmgm (GPL-3.0, Linux only) is not installed")
gmssl_libmgm = pytest.importorskip("gmssl_libmgm", reason="gmssl-libmgm is not installed")


class TestLibmgm(SolverContract):
    solver = gmssl.part("solver", "libmgm")


def value(model: object, columns: tuple[int, ...]) -> float:
    return pylibmgm.GmSolution.evaluate_static(model, list(columns))


@settings(deadline=None)  # the first call compiles
@given(problems(max_graphs=2, max_n=4))
def test_models_hold_the_energy(problem: gmssl.Problem) -> None:
    """value = energy / unit − discount·pairs for all complete matchings; all other matchings have larger values."""
    costs = problem.costs
    for graph, model in enumerate(gmssl_libmgm.build_models(problem)):
        unit = max(float(x[graph].abs().max()) if x[graph].numel() else 0.0 for x in (costs.vertex, costs.edge)) or 1.0
        complete = list(matchings(problem, graph))
        values = [value(model, columns) for columns in complete]
        energies = [energy_of(problem, graph, columns) / unit for columns in complete]
        for one, other in zip(values, energies, strict=True):
            assert one - values[0] == pytest.approx(other - energies[0], abs=1e-5)
        least = min(values)
        n, m = costs.vertex.shape[1:]
        allowed = problem.topology.allowed[graph].tolist()
        for columns in product(range(-1, m), repeat=n):
            matched = [s for s in columns if s >= 0]
            legal = len(set(matched)) == len(matched) and all(s < 0 or allowed[i][s] for i, s in enumerate(columns))
            if legal and len(matched) < min(n, m):
                assert value(model, columns) > least


def test_models_hold_what_is_not_zero() -> None:
    """Forbidden pairs have no assignment, and pairs of assignments at cost 0 no entry."""
    problem = knn_problem(1, 6, neighbours=2)
    edge = problem.costs.edge.clone()
    edge[:, 1:] = 0
    allowed = torch.eye(6).flip(0)[None].bool() | torch.eye(6)[None].bool()
    topology = problem.topology
    (model,) = gmssl_libmgm.build_models(
        gmssl.Problem.build(problem.costs.vertex, topology.left, topology.right, edge, allowed)
    )
    assert model.no_assignments() == 12
    assert 0 < model.no_edges() <= edge.shape[2]


def test_solutions_do_not_depend_on_order_or_history() -> None:
    """pylibmgm by itself gives other solutions in each run."""
    problem = knn_problem(12, 14, noise=1.0, seed=4)
    models = gmssl_libmgm.build_models(problem)
    before = pylibmgm.QAPSolver.libmpopt_seed
    one = gmssl_libmgm.solve_models(models)
    other = gmssl_libmgm.solve_models(models[::-1]).flip(0)
    assert torch.equal(one, other)
    assert pylibmgm.QAPSolver.libmpopt_seed == before
    assert not torch.equal(one, gmssl_libmgm.solve_models(models, seed=2))


def test_lower_energies_than_the_vertex_costs_alone() -> None:
    problem = knn_problem(8, 10, noise=0.5, seed=6)
    found = gmssl.solve(problem, gmssl.part("solver", "libmgm")).energy
    lap = gmssl.part("solver", "lap").solve(problem).energy
    assert (found <= lap).all()
    assert found.mean() < lap.mean() - 1


def test_incomplete_matchings_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kept pairs stay, the rest takes what is cheapest."""
    vertex = torch.tensor([[[0.0, 5, 5], [5, 2, 1], [5, 1, 3]], [[0.0, 5, 5], [5, 2, 1], [5, 1, 3]]])
    none = torch.zeros(2, 0, 2, dtype=torch.long)
    allowed = torch.ones(2, 3, 3, dtype=torch.bool)
    allowed[1, 1, 2] = False
    problem = gmssl.Problem.build(vertex, none, none, torch.zeros(2, 0, 0), allowed)
    found = gmssl_libmgm._completed(problem, torch.tensor([[0, -1, -1], [1, -1, -1]]))
    assert found[0].tolist() == [0, 2, 1]
    assert found[1].tolist() == [1, 0, 2]
    monkeypatch.setattr(gmssl_libmgm, "solve_models", lambda *_: torch.full((2, 3), -1))
    solution = gmssl.solve(problem, gmssl.part("solver", "libmgm"))
    assert solution.energy.tolist() == [2, 5]


def test_no_models() -> None:
    assert len(gmssl_libmgm.solve_models([])) == 0


def test_without_pylibmgm_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibmgm", None)
    with pytest.raises(PluginError, match="pip install pylibmgm"):
        gmssl.solve(knn_problem(1, 6, neighbours=2), gmssl.part("solver", "libmgm"))
