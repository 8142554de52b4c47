"""`gmssl.solve` and `gmssl.certify` take a solver as recipes do: by name, as a mapping, or as a part."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

import gmssl
from gmssl.errors import PluginError, ProblemError, RecipeError
from gmssl.problem import Problem, Solution
from gmssl.testing.generators import knn_problem

Door = Callable[[Problem, Any], Solution]


def certified(problem: Problem, solver: Any) -> Solution:
    n = problem.costs.vertex.shape[1]
    return gmssl.certify(problem, torch.eye(n).expand(len(problem.costs.vertex), n, n), solver)


DOORS: list[Door] = [gmssl.solve, certified]


@pytest.fixture
def problem() -> Problem:
    return knn_problem(2, 4, neighbours=2)


@pytest.mark.parametrize("door", DOORS)
def test_a_solver_is_given_in_any_form_of_a_recipe(door: Door, problem: Problem) -> None:
    expected = door(problem, gmssl.part("solver", "exhaustive"))
    for given in ("exhaustive", {"kind": "exhaustive"}, {"kind": "exhaustive", "limit": 24}):
        found = door(problem, given)
        assert torch.equal(found.energy, expected.energy)
        assert torch.equal(found.matching.vertex, expected.matching.vertex)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("exhaustiv", r"unknown solver kind 'exhaustiv' \(did you mean 'exhaustive'\?\); installed kinds are .*lap"),
        ({"kind": "exhaustive", "limits": 3}, r"^solver 'exhaustive': limits: unknown key \(did you mean 'limit'\?\)"),
        ({"kind": "exhaustive", "limit": 0}, r"^solver 'exhaustive': limit: .*greater than or equal to 1, not 0"),
        ({"limit": 3}, r"`kind` is missing; add one of .*exhaustive"),
        (None, r"give the name of a kind or a mapping with `kind`, not None; installed kinds are .*lap"),
        (gmssl.Problem, r"give the name of a kind or a mapping with `kind`, not <class"),
        (gmssl.part("estimator", "imle"), r"the estimator part imle stands where a part of the slot solver is needed"),
    ],
)
def test_what_is_no_solver_is_told_what_exists(door: Door, given: object, message: str, problem: Problem) -> None:
    with pytest.raises(RecipeError, match=message):
        door(problem, given)


def test_settings_of_a_mapping_are_used(problem: Problem) -> None:
    with pytest.raises(ProblemError, match="more than the limit of 3"):
        gmssl.solve(problem, {"kind": "exhaustive", "limit": 3})


def test_a_broken_plugin_is_told_as_such(monkeypatch: pytest.MonkeyPatch, problem: Problem) -> None:
    def broken(slot: str, kind: str) -> type:
        raise PluginError(f"{slot} kind {kind!r} does not import")

    monkeypatch.setattr("gmssl.interfaces.registry.find", broken)
    with pytest.raises(PluginError, match="does not import"):
        gmssl.solve(problem, "lap")


def test_anything_with_the_attributes_of_a_solver_solves(problem: Problem) -> None:
    """`gmssl.problem` asks for no part, and neither does the door."""

    class Duck:
        kind = "duck"
        differentiable = constant = gives_bound = False
        uses_edges = True

        def solve(self, problem: Problem) -> Solution:
            return gmssl.part("solver", "exhaustive").solve(problem)

    assert torch.equal(gmssl.solve(problem, Duck()).energy, gmssl.solve(problem, "exhaustive").energy)


def test_every_public_function_that_takes_a_solver_is_among_the_doors() -> None:
    taking = set()
    for name in gmssl.__all__:
        public = getattr(gmssl, name)
        if inspect.isfunction(public) and "solver" in inspect.signature(public).parameters:
            taking.add(name)
    assert taking == {"solve", "certify"}
