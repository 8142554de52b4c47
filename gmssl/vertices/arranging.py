"""What vertices of several kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from gmssl.lazy import torch

if TYPE_CHECKING:
    from gmssl.interfaces.vertices import Arrangement, Encoding

Pairs: TypeAlias = tuple[tuple[int, int], ...]


def as_module(arrange: Callable[[Encoding, Encoding, Pairs], Arrangement]) -> torch.nn.Module:
    """A module without weights around a function."""

    class Arranging(torch.nn.Module):
        def forward(self, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
            return arrange(student, teacher, pairs)

    return Arranging()


def views_of(encoding: Encoding, pairs: Pairs, side: int) -> torch.Tensor:
    """The left (0) or right (1) views of all pairs, `[G,B,D]`."""
    return encoding.embeddings[[pair[side] for pair in pairs]]
