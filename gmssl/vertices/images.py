"""Images as nodes: LVM-Med's graphs."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.vertices import Arrangement, Vertices
from gmssl.lazy import torch
from gmssl.vertices.arranging import Pairs, as_module


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

    def build(self, channels: int) -> torch.nn.Module:
        """G = pairs · ⌊B / per_graph⌋ graph pairs, pair-major; left nodes of the student, right ones of the teacher."""
        return as_module(partial(_arrange, self.per_graph))


def _arrange(n: int, student_VBD: torch.Tensor, teacher_VBD: torch.Tensor, pairs: Pairs) -> Arrangement:
    batch, device = student_VBD.shape[1], student_VBD.device
    graphs = batch // n
    images = torch.arange(graphs * n, device=device).view(1, graphs, n)
    views = torch.tensor(pairs, device=device)
    left, right = ((views[:, side, None, None] * batch + images).view(-1, n) for side in (0, 1))
    return Arrangement(
        left=student_VBD.flatten(0, 1)[left],
        right=teacher_VBD.flatten(0, 1)[right],
        allowed=torch.ones((), dtype=torch.bool, device=device).expand(left.shape[0], n, n),
        sources=(left, right),
        left_out=batch - graphs * n,
    )
