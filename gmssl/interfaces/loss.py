"""Losses compare a matching with the target; regularisers keep embeddings from collapsing where no matching does."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.interfaces.part import Part
from gmssl.lazy import torch
from gmssl.problem import Matching, Problem


class Loss(Part):
    """A loss gives one number for each instance; the objective averages them.

    `reads_costs` says that the gradient reaches the costs not only through the matching.
    """

    slot: ClassVar[str] = "loss"
    reads_costs: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """The loss of each instance, `[G]`, differentiable in the matching; `problem.target` is set."""


class Regulariser(Part):
    """A weighted term of the loss that looks at sets of embeddings, those of one view at a time."""

    slot: ClassVar[str] = "regulariser"

    weight: float = 1.0

    @abstractmethod
    def __call__(self, embeddings_ND: torch.Tensor) -> torch.Tensor:
        """The unweighted term, `[...]` for any number of sets `[...,N,D]`; the objective averages over sets.

        A set is a view of all images of all ranks, or what `Arrangement.samples` says.
        """
