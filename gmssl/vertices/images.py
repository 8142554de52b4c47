"""Images as nodes: LVM-Med's graphs."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.vertices import Arrangement, Encoding, Vertices
from gmssl.lazy import torch
from gmssl.vertices.arranging import Pairs, as_module, cut, uncut


class ImageVertices(Vertices):
    """A batch is cut into ⌊B / per_graph⌋ graphs of `per_graph` images; node i of both views is the same image.

    Remainder rule: the last B mod per_graph images of a batch take part in no graph of that step (they still pass the
    encoder, so batch normalisation sees them). Batches are shuffled anew in each epoch, so it hits other images each
    time. The number is logged as `left_out`, and `gmssl check` warns of it.

    With P `partitions` the batch is cut P times, so that an image meets about P times as many others: in partition r,
    node j of graph g is image j of block (g + r·j) mod G. The encoder's work stays the same, only matchings are P times
    as many. The loss is the mean over all of them.
    """

    kind: ClassVar[str] = "images"
    are_images: ClassVar[bool] = True

    per_graph: int = Field(16, ge=2, description="images (nodes) in one graph")
    partitions: int = Field(1, ge=1, description="how many times a batch is cut into graphs, each time otherwise")

    def fault(self, batch: int) -> str | None:
        """A batch must hold one graph, and as many as there are partitions."""
        return uncut(batch, self.per_graph, self.partitions)

    def graphs(self, batch: int) -> int:
        """⌊B / per_graph⌋, in each partition."""
        return self.partitions * (batch // self.per_graph)

    def nodes(self, batch: int) -> int:
        """`per_graph`."""
        return self.per_graph

    def left_out(self, batch: int) -> int:
        """B mod per_graph."""
        return batch % self.per_graph

    def build(self, channels: int) -> torch.nn.Module:
        """G = pairs · partitions · ⌊B / per_graph⌋ graph pairs, pair-major.

        Left nodes are the student's, right ones the teacher's.
        """
        return as_module(partial(_arrange, self.per_graph, self.partitions))


def _arrange(n: int, partitions: int, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
    batch, device = student.embeddings.shape[1], student.embeddings.device
    images = cut(batch, n, partitions, device)
    views = torch.tensor(pairs, device=device)
    left, right = ((views[:, side, None, None] * batch + images).view(-1, n) for side in (0, 1))
    return Arrangement(
        left=student.embeddings.flatten(0, 1)[left],
        right=teacher.embeddings.flatten(0, 1)[right],
        allowed=torch.ones((), dtype=torch.bool, device=device).expand(left.shape[0], n, n),
        sources=(left, right),
        left_out=batch % n,
    )
