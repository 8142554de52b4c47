"""`gmssl.solve` and `gmssl.certify`: those of `gmssl.problem`, by a solver in any form in which a recipe gives one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

from gmssl import problem as problems
from gmssl.interfaces.part import Part
from gmssl.interfaces.registry import part_of
from gmssl.lazy import torch
from gmssl.problem import MatchingSolver, Problem, Solution

AnySolver: TypeAlias = MatchingSolver | str | Mapping[str, object]
"""The name of a kind, a mapping with `kind` and settings, a part, or anything else that solves."""


def solve(problem: Problem, solver: AnySolver) -> Solution:
    """Find a matching of low energy for each instance of a batch.

    Args:
        problem: G matching problems; see `Problem.build`.
        solver: the name of a kind, `"robust_tabu"`; a mapping as in recipes, `{"kind": "robust_tabu", "starts": 64}`;
            or a part, `gmssl.part("solver", "robust_tabu", starts=64)`.

    Returns:
        `Solution(matching, energy, bound, converged)`; energies are minimised, and `converged` is a proof.

    Raises:
        ProblemError: the problem has edges that the solver would ignore, it is partial and the solver relaxed, or it
            forbids so much that a row (or, for n > m and one-to-one matchings, a column) has no allowed partner.
        RecipeError: unknown kind or setting, or a setting of the wrong type; the message names all that exist.
        PluginError: the plugin that provides the kind is broken.
    """
    return problems.solve(problem, _solver(solver))


def certify(problem: Problem, matching: torch.Tensor, solver: AnySolver) -> Solution:
    """Bound how far a matching, found by whatever method, is from the optimum.

    Args:
        problem: G matching problems.
        matching: 0/1 vertex matchings `[G,n,m]`.
        solver: one that gives bounds, such as `"lagrange"`, in any form that `solve` takes.

    Returns:
        The given matching with its energy, the solver's bound, and `converged` where `Solution.gap` is at most 1e-6.

    Raises:
        ProblemError: `matching` is no matching of this problem, or the solver gives no bound.
        RecipeError, PluginError: as `solve`.
    """
    return problems.certify(problem, matching, _solver(solver))


def _solver(given: object) -> MatchingSolver:
    """A class has the attributes of its instances, and a part of another slot may have a method `solve`, too."""
    solves = hasattr(given, "solve") and not isinstance(given, type | Part)
    return cast(MatchingSolver, given if solves else part_of("solver", given))
