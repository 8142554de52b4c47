"""Both views of all images on either side: the 1-N matching of SimCLR."""

from __future__ import annotations

from typing import ClassVar

from gmssl.gathering import gathered, rank
from gmssl.interfaces.vertices import Arrangement, Encoding, Truth, Vertices
from gmssl.lazy import torch
from gmssl.vertices.arranging import Pairs, as_module, views_of


class BothViews(Vertices):
    """One graph for each pair of views: n = 2B rows, the first half of the left view, and m = 2B·W columns.

    The columns are the nodes of all W ranks, those of a rank in the order of the rows; the rows are this rank's. A node
    must not be matched with itself. Its true partner is the other view of its image, half a side away (SimCLR,
    Chen et al. 2020).
    """

    kind: ClassVar[str] = "both_views"
    truth: ClassVar[Truth] = "halves"

    def fault(self, batch: int) -> str | None:
        """One image has no negatives."""
        return None if batch > 1 else "vertices both_views needs 2 images or more in a forward pass; raise train.batch"

    def build(self, channels: int) -> torch.nn.Module:
        """See the class."""
        return as_module(_arrange)


def _arrange(student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
    nodes = torch.cat([views_of(student, pairs, 0), views_of(student, pairs, 1)], 1)
    right = gathered(nodes, 1)
    graphs, n, _ = nodes.shape
    columns = torch.arange(right.shape[1], device=nodes.device)
    own = torch.arange(n, device=nodes.device) + rank() * n
    return Arrangement(nodes, right, (columns != own[:, None]).expand(graphs, -1, -1))
