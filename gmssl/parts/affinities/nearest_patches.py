"""Cosine similarity of nearest map positions: the local terms of LVM-Med, Eq. 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from gmssl.errors import ProblemError
from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch

if TYPE_CHECKING:
    from gmssl.parts.affinities.cosine_of_nearest import Distances


class NearestPatches(Affinity):
    """E_p cos(q_p, q_m(p)) in both directions, with m(p) the nearest position of the other image's map.

    Nearest `by` position means in pixels of the original images, by feature means the Euclidean distance of the feature
    vectors q; c^lo of the paper is the sum of both kinds, which `both` takes from one product of the maps, and its
    symmetrised form c^lo(i, a) + c^lo(a, i) is the sum over both directions that is computed here. With `best` = γ the
    mean is over the γ nearest pairs only (appendix).

    A vector that is not longer than `epsilon` has no direction: its cosines are 0, and so is its gradient. That of any
    other vector q is exact, and at most 1 / |q| long for each cosine.

    Cost of a graph pair, whatever `by` says: one product of matrices `[n·P,C]` × `[C,m·Q]`, and two as large in the
    backward pass. Memory: gradients of the maps, indices, and a workspace that does not grow with the number of graphs.
    """

    kind: ClassVar[str] = "nearest_patches"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"
    reads_maps: ClassVar[bool] = True
    reads_nodes: ClassVar[bool] = False

    by: Literal["position", "feature", "both"] = Field(
        "position", description="both: the sum of the other two, from one product of the maps"
    )
    best: int | None = Field(None, ge=1, description="average only this many nearest pairs; none averages all")
    epsilon: float = Field(1e-6, gt=0, description="length up to which a feature vector has no direction")

    def score(self, left: Side, right: Side) -> torch.Tensor:
        """Scores `[G,n,m]` in [−2, 2], or in [−4, 4] for `both`."""
        from gmssl.parts.affinities.cosine_of_nearest import mean_cosine_of_nearest

        distances = {"position": (_by_position,), "feature": (_by_feature,), "both": (_by_position, _by_feature)}
        with torch.no_grad():
            kinds = tuple(kind(left, right) for kind in distances[self.by])
        return mean_cosine_of_nearest(_given(left.maps), _given(right.maps), kinds, self.best, self.epsilon)


def _by_position(left: Side, right: Side) -> Distances:
    """Squared distances in pixels of the original images."""
    # Two paddings must not meet: ∞ − ∞ is NaN.
    a = _where_valid(_given(left.positions), left.valid, torch.inf)
    b = _where_valid(_given(right.positions), right.valid, -torch.inf)

    def distances(chunk: slice, products: torch.Tensor) -> torch.Tensor:
        across = a[chunk, :, None, 0] - b[chunk, None, :, 0]
        down = a[chunk, :, None, 1] - b[chunk, None, :, 1]
        return across.square_().addcmul_(down, down)

    return distances


def _by_feature(left: Side, right: Side) -> Distances:
    """Squared distances of feature vectors."""
    a, b = (
        _where_valid(_given(side.maps).square().sum(3, keepdim=True), side.valid, torch.inf) for side in (left, right)
    )

    def distances(chunk: slice, products: torch.Tensor) -> torch.Tensor:
        return (a[chunk] + b[chunk].mT).add_(products, alpha=-2)

    return distances


def _where_valid(values_GnPx: torch.Tensor, valid_GP: torch.Tensor | None, padding: float) -> torch.Tensor:
    """The vectors `[G,n·P,x]`, with padding replaced."""
    if valid_GP is not None:
        values_GnPx = values_GnPx.masked_fill(~valid_GP[:, None, :, None], padding)
    return values_GnPx.flatten(1, 2)


def _given(tensor: torch.Tensor | None) -> torch.Tensor:
    if tensor is None:
        raise ProblemError(
            "nearest_patches compares feature maps, and these vertices have none; use it with image vertices, or "
            "remove it from affinity.vertex."
        )
    return tensor
