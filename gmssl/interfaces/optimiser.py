"""Optimisers and their learning-rate schedules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from gmssl.lazy import torch
from gmssl.parts import Part


class Optimiser(Part):
    """Settings of an optimiser of torch's interface."""

    slot: ClassVar[str] = "optimiser"

    @abstractmethod
    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser over `parameters`."""
