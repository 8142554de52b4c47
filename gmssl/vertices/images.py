"""Images as nodes: LVM-Med's graphs."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.vertices import Arrangement, Vertices
from gmssl.lazy import torch


class ImageVertices(Vertices):
    """A batch is cut into ⌊B / per_graph⌋ graphs of `per_graph` images; node i of both views is the same image.

    Remainder rule: the last B mod per_graph images of a batch take part in no graph of that step (they still pass the
    encoder, so batch normalisation sees them). Batches are shuffled anew in each epoch, so it hits other images each
    time. The number is logged as `left_out`, and `gmssl check` warns of it.
    """

    kind: ClassVar[str] = "images"

    per_graph: int = Field(16, ge=2, description="images (nodes) in one graph")

    def fault(self, batch: int) -> str | None:
        """A batch must hold one graph."""
        if batch >= self.per_graph:
            return None
        return (
            f"vertices.per_graph is {self.per_graph}, but one forward pass has only {batch} image(s) "
            f"(train.batch / devices / accumulate); raise train.batch or lower vertices.per_graph to at most {batch}"
        )

    def left_out(self, batch: int) -> int:
        """B mod per_graph."""
        return batch % self.per_graph

    def arrange(self, embeddings_VBD: torch.Tensor, pairs: tuple[tuple[int, int], ...]) -> Arrangement:
        """G = pairs · ⌊B / per_graph⌋ graph pairs, pair-major."""
        _, batch, _channels = embeddings_VBD.shape
        n = self.per_graph
        graphs = batch // n
        device = embeddings_VBD.device
        images = torch.arange(graphs * n, device=device).view(1, graphs, n)
        views = torch.tensor(pairs, device=device)
        left, right = ((views[:, side, None, None] * batch + images).view(-1, n) for side in (0, 1))
        flat = embeddings_VBD.flatten(0, 1)
        shape = (left.shape[0], n, n)
        return Arrangement(
            left=flat[left],
            right=flat[right],
            target=torch.eye(n, dtype=flat.dtype, device=device).expand(shape),
            allowed=torch.ones((), dtype=torch.bool, device=device).expand(shape),
            left_source=left,
            right_source=right,
            left_out=batch - graphs * n,
        )
