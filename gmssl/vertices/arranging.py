"""What vertices of several kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from gmssl.lazy import torch

if TYPE_CHECKING:
    from gmssl.interfaces.vertices import Arrangement

Pairs: TypeAlias = tuple[tuple[int, int], ...]


def as_module(arrange: Callable[[torch.Tensor, torch.Tensor, Pairs], Arrangement]) -> torch.nn.Module:
    """A module without weights around a function."""

    class Arranging(torch.nn.Module):
        def forward(self, student_VBD: torch.Tensor, teacher_VBD: torch.Tensor, pairs: Pairs) -> Arrangement:
            return arrange(student_VBD, teacher_VBD, pairs)

    return Arranging()


def views_of(embeddings_VBD: torch.Tensor, pairs: Pairs, side: int) -> torch.Tensor:
    """The left (0) or right (1) views of all pairs, `[G,B,D]`."""
    return embeddings_VBD[[pair[side] for pair in pairs]]
