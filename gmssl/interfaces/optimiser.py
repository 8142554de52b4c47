"""Optimisers, and the schedules of their learning rates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from gmssl.interfaces.part import Part
from gmssl.lazy import torch


class Optimiser(Part):
    """Settings of an optimiser of torch's interface."""

    slot: ClassVar[str] = "optimiser"

    @abstractmethod
    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """An optimiser of `parameters`."""


class Schedule(Part):
    """A factor on the learning rate as a pure function of training progress; it changes once per optimiser step."""

    slot: ClassVar[str] = "schedule"

    @abstractmethod
    def factor(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """Factor at optimiser step `step` (0-based) of `steps` in the whole run."""
