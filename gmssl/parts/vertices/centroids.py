"""Images against centroids of clusters of the whole data set: DeepCluster-v2."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.vertices import Truth, Vertices
from gmssl.lazy import torch


class Centroids(Vertices):
    """One graph for each pair of views and each clustering: the B images of the left view against its K centroids.

    Centroids are not weights. Before each epoch, spherical k-means makes them from a memory: one embedding of each
    image of the data set for each view that stands on the right of a pair, from the former epoch; before the first one,
    from a pass over all images (DeepCluster-v2, Caron et al. 2020, appendix). Clustering h is of the view h mod A, of A
    such views. Where clusterings differ in K, the columns that one of them lacks are not allowed.

    G = pairs · clusterings, pair-major. The memory has A · N · D numbers on each rank and in checkpoints: 1 GB for a
    million images, two views and D = 128. Without a memory (a step outside of a training) the other view itself takes
    the place of what is remembered, and centroids are random directions.
    """

    kind: ClassVar[str] = "centroids"
    truth: ClassVar[Truth] = "remembered"

    numbers: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (3000,), min_length=1, description="K of each clustering; several of equal K differ in view and random start"
    )
    iterations: int = Field(10, ge=1, description="largest number of iterations of k-means before each epoch")
    remembered: Literal["other_view", "clustered_view"] = Field(
        "other_view",
        description="view whose cluster is the target: the pair's right view, or the view that was clustered",
    )

    def fault(self, batch: int) -> str | None:
        """Batches of any size are accepted."""
        return None

    def graphs(self, batch: int) -> int:
        """One graph for each clustering."""
        return len(self.numbers)

    def shortage(self, images: int) -> str | None:
        """Each cluster needs at least one image."""
        most = max(self.numbers)
        if most <= images:
            return None
        return (
            f"vertices centroids makes {most} clusters, each of one image or more; lower vertices.numbers to at most "
            f"{images}, or add images"
        )

    def build(self, channels: int) -> torch.nn.Module:
        """See the class; memory and centroids are part of checkpoints."""
        from gmssl.parts.vertices.clustering import Clustering

        return Clustering(self.numbers, self.iterations, self.remembered == "other_view", channels)
