"""Targets say which matching is right."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.interfaces.part import Part
from gmssl.interfaces.vertices import Truth
from gmssl.lazy import torch


class Target(Part):
    """Settings of what makes the target matching.

    Class facts:
        truth: the `Vertices.truth` it relies on.
        reads_reference: it is computed from the costs of the exchanged problem, see `build`.
    """

    slot: ClassVar[str] = "target"
    truth: ClassVar[Truth] = "aligned"
    reads_reference: ClassVar[bool] = False

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A module `(costs_Gnm, arrangement) -> target_Gnm`, rows of numbers ≥ 0 that sum to at most 1.

        `costs_Gnm` are those of the problem and `arrangement` its `Arrangement`; if `reads_reference`, both belong to
        the problem with the two views of each pair exchanged, as the teacher sees it, without gradient. Shape, dtype
        and device are always taken from the costs. Their columns may be relabelled; those of the target are in the
        order of the arrangement.
        """
