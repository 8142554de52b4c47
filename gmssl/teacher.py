"""The momentum encoder: a copy of the student that follows it slowly."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Teacher(nn.Module):
    """Copies of modules, without gradient. Batch normalisation uses the batch, as the student's does."""

    def __init__(self, students: dict[str, nn.Module]) -> None:
        super().__init__()
        self.copies = nn.ModuleDict({name: copy.deepcopy(module) for name, module in students.items()})
        self.requires_grad_(False)

    @torch.no_grad()
    def follow(self, students: dict[str, nn.Module], momentum: float) -> None:
        """w ← momentum · w + (1 − momentum) · student; buffers keep their own statistics."""
        for name, module in students.items():
            for own, parameter in zip(self.copies[name].parameters(), module.parameters(), strict=True):
                own.lerp_(parameter, 1 - momentum)
