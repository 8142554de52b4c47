"""`Instance`: one matching problem of a file, by name."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.problem import Problem


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem with its name. The instances of a file differ in size, so each is a batch of its own.

    Attributes:
        name: file name without suffix; in a file of several instances followed by ` i-j`, the graphs that are matched.
        problem: G = 1, costs in float64.
        best_known: least energy that is known, if the source tells it.
    """

    name: str
    problem: Problem
    best_known: float | None = None
