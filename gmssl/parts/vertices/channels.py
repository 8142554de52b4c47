"""Feature channels as nodes: the 1-1 matching of Barlow Twins."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.vertices import Arrangement, Encoding, Vertices
from gmssl.lazy import torch
from gmssl.parts.vertices.arranging import Pairs, as_module, views_of
from gmssl.system.gathering import gathered


class Channels(Vertices):
    """One graph for each pair of views; node i is channel i of the embeddings, a vector over the images of all ranks.

    With `normalise: batch` each channel has mean 0 and variance 1 over the batch, and vectors are divided by √B, so
    that inner products of nodes are the cross-correlation matrix of Barlow Twins (Zbontar et al. 2021, Eq. 2).
    """

    kind: ClassVar[str] = "channels"

    normalise: Literal["batch", "none"] = "batch"
    epsilon: float = Field(1e-5, ge=0, description="added to the variances; 1e-5 is that of batch normalisation")

    def fault(self, batch: int) -> str | None:
        """One image is too few, because it has no variance."""
        return None if batch > 1 else "vertices channels needs 2 images or more in a forward pass; raise train.batch"

    def nodes(self, batch: int) -> None:
        """One node for each channel of the embeddings."""

    def build(self, channels: int) -> torch.nn.Module:
        """See the class."""
        return as_module(partial(_arrange, self.epsilon if self.normalise == "batch" else None))


def _arrange(epsilon: float | None, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
    sides = []
    for side, encoding in enumerate((student, teacher)):
        views_GBD = gathered(views_of(encoding, pairs, side), 1)
        if epsilon is not None:
            variance, mean = torch.var_mean(views_GBD, 1, correction=0, keepdim=True)
            views_GBD = (views_GBD - mean) / (variance + epsilon).sqrt()
        sides.append(views_GBD.mT / views_GBD.shape[1] ** 0.5)
    left, right = sides
    graphs, channels, _ = left.shape
    allowed = torch.ones((), dtype=torch.bool, device=left.device).expand(graphs, channels, channels)
    return Arrangement(left, right, allowed)
