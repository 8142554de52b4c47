"""Who takes part: every installed solver that gives one-to-one matchings, at its presets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gmssl.errors import PluginError, RecipeError
from gmssl.interfaces.registry import find, kinds, part
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem, Solution, solve

Setting: TypeAlias = "float | str | dict[str, Setting] | None"


@dataclass(frozen=True)
class Preset:
    """Settings of a solver, and what to add to its kind in tables."""

    name: str = ""
    settings: dict[str, Setting] = field(default_factory=dict)


def _search(starts: int, iterations: int, agree: int) -> dict[str, Setting]:
    return {"starts": starts, "iterations": iterations, "agree": agree}


def _tabu(starts: int, iterations: int, agree: int = 4) -> Preset:
    rule = "" if agree == 4 else f", agree {agree}"
    return Preset(f"{starts}×{iterations}{rule}", _search(starts, iterations, agree))


def _dual(steps: int, starts: int, iterations: int) -> Preset:
    search = {"kind": "robust_tabu", **_search(starts, iterations, agree=4)}
    return Preset(f"{steps}", {"iterations": steps, "polish": search})


PRESETS: dict[str, dict[int, tuple[Preset, ...]]] = {
    "robust_tabu": {
        10: (_tabu(32, 20, agree=8), _tabu(64, 25, agree=24)),
        16: (_tabu(12, 50), _tabu(32, 75, agree=6), _tabu(64, 100, agree=12)),
        32: (_tabu(8, 500), _tabu(64, 500, agree=8)),
    },
    # Larger trees do not end within a benchmark: cut off at 16, left out at 32.
    "exact": {10: (Preset(),), 16: (Preset("0.1 s", {"seconds": 0.1}),), 32: ()},
    "lagrange": {10: (_dual(500, 8, 50),), 16: (_dual(500, 24, 50),), 32: (_dual(500, 32, 250),)},
}
"""By kind and size, none where it takes too long; every other kind runs at its defaults."""

LONG: dict[int, tuple[int, int]] = {10: (64, 100), 16: (128, 200), 32: (256, 1000)}
"""Starts and iterations of the long `robust_tabu` run, by size, that looks for the best known energies."""

LONG_KIND = "robust_tabu"

THREADED = "robust_tabu"
"""The kind whose time on two threads is compared with that on one."""

REFERENCE = "libmgm"
"""The kind whose time and energies all others are compared with."""

PEERS = {REFERENCE: "pip install ./plugins/gmssl-libmgm"}
"""Kinds of plugins that belong to the tables, and how to install them."""

STAGES = {REFERENCE: ("gmssl_libmgm", "build_models", "solve_models")}
"""Kinds whose model building is timed apart: module, its function from a problem to models, and that from models on."""


def presets(kind: str, n: int) -> tuple[Preset, ...]:
    """Those of the next larger size in the table, or of the largest."""
    sizes = PRESETS.get(kind)
    return (Preset(),) if sizes is None else sizes[size_class(n)]


def size_class(n: int) -> int:
    """The smallest of the sizes 10, 16 and 32 that is ≥ n, or 32."""
    return min((size for size in LONG if size >= n), default=max(LONG))


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
