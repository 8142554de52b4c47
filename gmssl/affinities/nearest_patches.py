"""Cosine similarity of nearest map positions: the local terms of LVM-Med, Eq. 2."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gmssl.errors import ProblemError
from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch


class NearestPatches(Affinity):
    """E_p cos(q_p, q_m(p)) in both directions, with m(p) the nearest position of the other image's map.

    Nearest `by` position means in pixels of the original images, by feature means the Euclidean distance of the feature
    vectors q; c^lo of the paper is the sum of both kinds, and its symmetrised form c^lo(i, a) + c^lo(a, i) is the sum
    over both directions that is computed here. With `best` = γ the mean is over the γ nearest pairs only (appendix).

    Cost: one matrix product `[n·P, C] × [C, m·Q]` a graph pair, and as much memory as its result, `G·n·P·m·Q` numbers.
    """

    kind: ClassVar[str] = "nearest_patches"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"
    reads_maps: ClassVar[bool] = True
    reads_nodes: ClassVar[bool] = False

    by: Literal["position", "feature"] = "position"
    best: int | None = Field(None, ge=1, description="average only this many nearest pairs; none averages all")

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """`[G,n,m]` in [−2, 2]."""
        left_maps, right_maps = _given(left.maps), _given(right.maps)
        graphs, n, p, _ = left_maps.shape
        m, q = right_maps.shape[1:3]
        unit = lambda x: torch.nn.functional.normalize(x.flatten(1, 2), dim=2)  # noqa: E731
        similar = (unit(left_maps) @ unit(right_maps).mT).view(graphs, n, p, m, q).transpose(2, 3)
        with torch.no_grad():
            far = self._distances(left, right).view(graphs, n, p, m, q).transpose(2, 3)
            if left.valid is not None and right.valid is not None:
                padding = ~(left.valid[:, None, None, :, None] & right.valid[:, None, None, None, :])
                far = far.masked_fill(padding, torch.inf)
        return self._mean_of_nearest(similar, far, 4) + self._mean_of_nearest(similar, far, 3)

    def _distances(self, left: Side, right: Side) -> torch.Tensor:
        """`[G, n·P, m·Q]`; squared for features, which changes no order."""
        if self.by == "position":
            return torch.cdist(_given(left.positions).flatten(1, 2), _given(right.positions).flatten(1, 2))
        a, b = (_given(side.maps).detach().flatten(1, 2) for side in (left, right))
        squares = a.square().sum(2)[:, :, None] + b.square().sum(2)[:, None, :]
        return squares - 2 * (a @ b.mT)

    def _mean_of_nearest(self, similar: torch.Tensor, far: torch.Tensor, searched: int) -> torch.Tensor:
        """Mean similarity to the nearest position along dimension `searched`, `[G,n,m]`."""
        distance, nearest = far.min(searched, keepdim=True)
        found = similar.gather(searched, nearest).squeeze(searched)
        distance = distance.squeeze(searched)
        if self.best is not None and self.best < found.shape[3]:
            distance, chosen = distance.topk(self.best, dim=3, largest=False)
            found = found.gather(3, chosen)
        counted = torch.isfinite(distance)
        return (found * counted).sum(3) / counted.sum(3).clamp(min=1)


def _given(tensor: torch.Tensor | None) -> torch.Tensor:
    if tensor is None:
        raise ProblemError(
            "nearest_patches compares feature maps, and these vertices have none; use it with image vertices, or "
            "remove it from affinity.vertex."
        )
    return tensor
