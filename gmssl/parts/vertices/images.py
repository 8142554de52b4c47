"""Images as nodes: LVM-Med's graphs, and both views on either side as in SimCLR."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.vertices import Arrangement, Encoding, Truth, Vertices
from gmssl.lazy import torch
from gmssl.parts.vertices.arranging import Pairs, as_module, cut, uncut, views_of
from gmssl.system.gathering import gathered, rank


class ImageVertices(Vertices):
    """A batch is cut into ⌊B / per_graph⌋ graphs of `per_graph` images; node i of both views is the same image.

    Remainder rule: the last B mod per_graph images of a batch take part in no graph of that step (they still pass the
    encoder, so batch normalisation sees them). Batches are shuffled anew in each epoch, so it hits other images each
    time. The number is logged as `left_out`, and `gmssl check` warns of it.

    With P `partitions` the batch is cut P times, so that an image meets about P times as many others: in partition r,
    node j of graph g is image j of block (g + r·j) mod G. The encoder's work stays the same; only the matchings are P
    times as many. The loss is the mean over all of them.
    """

    kind: ClassVar[str] = "images"
    are_images: ClassVar[bool] = True

    per_graph: int = Field(16, ge=2, description="images (nodes) in one graph")
    partitions: int = Field(1, ge=1, description="how many times a batch is cut into graphs, each time otherwise")

    def fault(self, batch: int) -> str | None:
        """A batch must hold at least one graph, and as many graphs as there are partitions."""
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
        return as_module(partial(_arrange_images, self.per_graph, self.partitions))


def _arrange_images(n: int, partitions: int, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
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


class BothViews(Vertices):
    """Both sides hold both views of all their images; the first half of each side holds the left views.

    A node must not be matched with itself. Its true partner is the other view of its image, half a side away (SimCLR,
    Chen et al. 2020). Wrong partners are images of the other view and of its own one.

    Without `per_graph` there is one graph for each pair of views: n = 2B rows, and m = 2B·W columns, the nodes of all W
    ranks, those of a rank in the order of its rows. With it, graphs have 2·per_graph nodes on both sides, cut from the
    batch of this rank as those of `images` are, in `partitions` ways.
    """

    kind: ClassVar[str] = "both_views"
    truth: ClassVar[Truth] = "halves"

    per_graph: int | None = Field(None, ge=2, description="images in one graph; none takes all images of all devices")
    partitions: int = Field(1, ge=1, description="how many times a batch is cut into graphs, each time otherwise")

    def fault(self, batch: int) -> str | None:
        """One image has no negatives; a batch must hold at least one graph, and as many as there are partitions."""
        if batch < 2:
            return "vertices both_views needs 2 images or more in a forward pass; raise train.batch"
        return uncut(batch, self._images(batch), self.partitions)

    def left_out(self, batch: int) -> int:
        """B mod per_graph."""
        return batch % self._images(batch)

    def graphs(self, batch: int) -> int:
        """⌊B / per_graph⌋, in each partition."""
        return self.partitions * (batch // self._images(batch))

    def nodes(self, batch: int) -> int:
        """Two nodes for each image of this rank."""
        return 2 * self._images(batch)

    def build(self, channels: int) -> torch.nn.Module:
        """See the class; G = pairs · graphs, pair-major."""
        return as_module(partial(_arrange_both, self.per_graph, self.partitions))

    def _images(self, batch: int) -> int:
        return self.per_graph or batch


def _arrange_both(
    per_graph: int | None, partitions: int, student: Encoding, teacher: Encoding, pairs: Pairs
) -> Arrangement:
    first, second = (views_of(student, pairs, side) for side in (0, 1))
    left_out = 0
    if per_graph is None:
        nodes = torch.cat([first, second], 1)
        # The columns are those of all ranks; the own ones begin behind those of lower ranks.
        right, before = gathered(nodes, 1), rank() * nodes.shape[1]
    else:
        batch = first.shape[1]
        images, left_out = cut(batch, per_graph, partitions, first.device), batch % per_graph
        nodes = torch.cat([view[:, images].flatten(0, 1) for view in (first, second)], 1)
        right, before = nodes, 0
    graphs, n, _ = nodes.shape
    columns = torch.arange(right.shape[1], device=nodes.device)
    own = torch.arange(n, device=nodes.device) + before
    return Arrangement(nodes, right, (columns != own[:, None]).expand(graphs, -1, -1), left_out=left_out)
