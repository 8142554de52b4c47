"""Losses compare a matching with the target matching."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.lazy import torch
from gmssl.pairs import Matching
from gmssl.parts import Part
from gmssl.problem import Problem


class Loss(Part):
    """One number for each instance; the objective averages them.

    `reads_costs` says that the gradient reaches the costs not only through the matching.
    """

    slot: ClassVar[str] = "loss"
    reads_costs: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, differentiable in the matching; `problem.target` is set."""
