"""The cluster of another view, as it was last seen: DeepCluster-v2."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.target import Target
from gmssl.interfaces.vertices import Arrangement, Truth
from gmssl.lazy import torch
from gmssl.targets.functions import as_module


class KMeans(Target):
    """The assignment step of spherical k-means: the allowed centroid nearest to what is remembered of the image.

    Vertices `centroids` remember embeddings of the former epoch and make the centroids (DeepCluster-v2, Caron et al.
    2020). Rows are one-hot; costs are not read, so that affinities need not be cosines.
    """

    kind: ClassVar[str] = "kmeans"
    truth: ClassVar[Truth] = "remembered"

    def build(self) -> torch.nn.Module:
        """See `Target.build`."""
        return as_module(_nearest)


def _nearest(costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
    assert arrangement.remembered is not None, "vertices whose truth is remembered remember"
    units = torch.nn.functional.normalize(arrangement.right, dim=2)
    cosines = (arrangement.remembered @ units.mT).masked_fill(~arrangement.allowed, float("-inf"))
    return torch.zeros_like(costs).scatter_(2, cosines.argmax(2, keepdim=True), 1)
