"""`Pairs`: one number for every vertex pair and one for every edge pair.

Costs and matchings are the same kind of thing; the energy of a matching is the inner product of the two.

Shape letters, used in the whole package: G graph pairs in the batch, n/m left/right vertices, E/F left/right edges,
S noise samples, V views, B images, P map positions, C encoder channels, D node channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gmssl.lazy import torch


@dataclass(frozen=True, eq=False)
class Pairs:
    """A number for each vertex pair, `vertex [G,n,m]`, and for each edge pair, `edge [G,E,F]`."""

    vertex: torch.Tensor
    edge: torch.Tensor

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> Pairs:
        """Apply `function` to the vertex and to the edge numbers."""
        return Pairs(function(self.vertex), function(self.edge))

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(self.vertex + other.vertex, self.edge + other.edge)

    def __sub__(self, other: Pairs) -> Pairs:
        return Pairs(self.vertex - other.vertex, self.edge - other.edge)

    def scale(self, factor: torch.Tensor | float) -> Pairs:
        """Multiply by a number, or by one number per instance (`factor [G]`)."""
        if isinstance(factor, torch.Tensor) and factor.ndim == 1:
            factor = factor[:, None, None]
        return Pairs(self.vertex * factor, self.edge * factor)

    def repeat(self, samples: int) -> Pairs:
        """Fold `samples` copies into the batch: `[G,...]` becomes `[S·G,...]`, sample-major."""
        return self if samples == 1 else self.map(lambda x: x.repeat(samples, 1, 1))

    def detach(self) -> Pairs:
        """The same numbers, cut off from the autograd graph."""
        return self.map(lambda x: x.detach())

    def select(self, instances: torch.Tensor) -> Pairs:
        """The instances named by an index or boolean mask over the batch."""
        return self.map(lambda x: x[instances])


Costs: TypeAlias = Pairs
Matching: TypeAlias = Pairs
