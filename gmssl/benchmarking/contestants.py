"""Who takes part: every installed solver that gives one-to-one matchings, at its presets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gmssl.benchmarking.presets import PEERS, STAGES, presets
from gmssl.errors import PluginError, RecipeError
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem, Solution
from gmssl.registry import find, kinds, part
from gmssl.solving import solve


@dataclass(frozen=True)
class Stages:
    """Model building and solving of a wrapped library, as two functions."""

    build: Callable[[Problem], Any]
    solve: Callable[[Any], Any]


@dataclass(frozen=True)
class Contestant:
    """A solver with its name in tables."""

    label: str
    solver: Solver
    stages: Stages | None = None

    def given(self, problem: Problem) -> Problem:
        """The problem, without its edges for a solver that would ignore them."""
        if self.solver.uses_edges:
            return problem
        costs, topology = problem.costs, problem.topology
        return Problem.build(
            costs.vertex, topology.left[:, :0], topology.right[:, :0], costs.edge[:, :0, :0], topology.allowed
        )

    def solution(self, problem: Problem) -> Solution:
        """What `gmssl.solve` gives; see `given`."""
        return solve(self.given(problem), self.solver)


@dataclass(frozen=True)
class Absent:
    """A solver without a row, and why."""

    kind: str
    reason: str


def contestants(n: int, only: Sequence[str] = ()) -> tuple[list[Contestant], list[Absent]]:
    """The solvers for instances of n vertices.

    Args:
        n: vertices of a side; chooses presets.
        only: kinds to keep; none keeps all.

    Returns:
        The contestants, those first that ignore edges; and the kinds that cannot take part: peers that are not
        installed, broken plugins, and what takes too long at this size.

    Raises:
        RecipeError: a kind of `only` does not exist, or gives relaxed matchings.
        PluginError: a kind of `only` is broken.
    """
    found: list[Contestant] = []
    absent = [Absent(kind, f"not installed: {command}") for kind, command in PEERS.items() if _missing(kind, only)]
    for kind in only or kinds("solver"):
        if kind in [a.kind for a in absent]:
            continue
        try:
            cls = find("solver", kind)
        except PluginError as error:
            if only:
                raise
            absent.append(Absent(kind, str(error)))
            continue
        assert issubclass(cls, Solver)
        if cls.differentiable:
            if only:
                raise RecipeError(f"solver {kind!r} gives relaxed matchings; name one that matches one to one.")
            continue
        chosen = presets(kind, n)
        if not chosen:
            absent.append(Absent(kind, "takes too long at this size"))
        for preset in chosen:
            solver = part("solver", kind, **preset.settings)
            found.append(Contestant(f"{kind} {preset.name}".strip(), solver, _stages(kind)))
    return sorted(found, key=lambda contestant: contestant.solver.uses_edges), absent


def _missing(kind: str, only: Sequence[str]) -> bool:
    return kind not in kinds("solver") and (not only or kind in only)


def _stages(kind: str) -> Stages | None:
    if kind not in STAGES:
        return None
    module, build, run = STAGES[kind]
    loaded = importlib.import_module(module)
    return Stages(getattr(loaded, build), getattr(loaded, run))
