"""`Topology`: the part of a matching problem that carries no gradient."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.lazy import torch


@dataclass(frozen=True, eq=False)
class Topology:
    """Edges of both graphs and the vertex pairs that may be matched.

    Attributes:
        left: directed edges of the left graph, `[G,E,2]` int64, each row (tail, head) in `0..n-1`.
        right: directed edges of the right graph, `[G,F,2]` int64, in `0..m-1`.
        allowed: `[G,n,m]` bool; False forbids a pair. It is a mask and never an infinite cost, because `inf · 0` is NaN
            in the energy.
        partial: whether matchings may leave any vertex unmatched, at no cost; False matches the whole shorter side.
        dummies: how many vertices at the end of the longer side `completed` has added.
    """

    left: torch.Tensor
    right: torch.Tensor
    allowed: torch.Tensor
    partial: bool = False
    dummies: int = 0

    def repeat(self, samples: int) -> Topology:
        """Fold `samples` copies into the batch, sample-major (see `Pairs.repeat`)."""
        if samples == 1:
            return self
        left, right, allowed = (x.repeat(samples, 1, 1) for x in (self.left, self.right, self.allowed))
        return Topology(left, right, allowed, self.partial, self.dummies)

    def select(self, instances: torch.Tensor | slice) -> Topology:
        """The instances named by an index, a boolean mask or a slice of the batch; a slice copies nothing."""
        return Topology(
            self.left[instances], self.right[instances], self.allowed[instances], self.partial, self.dummies
        )
