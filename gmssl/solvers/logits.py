"""Costs as logits of rows, for entropy-regularised solvers."""

from __future__ import annotations

from gmssl.errors import ProblemError
from gmssl.lazy import torch
from gmssl.problem import Problem


def row_logits(problem: Problem, temperature: float) -> torch.Tensor:
    """−c / τ `[G,n,m]`, −inf where a pair is forbidden.

    Raises:
        ProblemError: a row has no allowed column.
    """
    allowed = problem.topology.allowed
    lonely = ~allowed.any(2)
    if bool(lonely.any()):
        graph, row = (int(i) for i in lonely.nonzero()[0])
        raise ProblemError(f"instance {graph} allows no column for row {row}; allow at least one pair.")
    return (-problem.costs.vertex / temperature).masked_fill(~allowed, float("-inf"))
