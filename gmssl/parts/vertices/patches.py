"""Map cells as nodes: the local problems of VICRegL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from gmssl.interfaces.vertices import Arrangement, Encoding, Vertices
from gmssl.lazy import torch
from gmssl.parts.vertices.arranging import Pairs, as_module


class Patches(Vertices):
    """One graph for each image, pair of views, criterion and direction; its nodes i are the i-th nearest pair of cells.

    Each map cell of the searching view finds the nearest one of the other view, by position in pixels of the original
    image or by feature, the Euclidean distance of embeddings; of these pairs the `best` = γ nearest are nodes (VICRegL,
    Bardes et al. 2022, §3). A cell may be found by several. No gradient flows through the choice.

    Where maps differ in size and a smaller one has fewer than γ cells, its graphs are padded with nodes that may not be
    matched; solvers that match every node refuse such graphs, `given` does not. Regularisers look at the i-th nodes of
    all images, for each i, each side, each pair of views, each direction and criterion.
    """

    kind: ClassVar[str] = "patches"
    reads_maps: ClassVar[bool] = True

    by: Literal["both", "position", "feature"] = Field(
        "both", description="position, feature, or both, each in graphs of its own"
    )
    best: int | None = Field(20, ge=1, description="nearest pairs that are nodes; none takes one for each cell")
    search: Literal["both", "left", "right"] = Field(
        "both", description="view whose cells search: left, right, or both, each in graphs of its own"
    )

    def fault(self, batch: int) -> str | None:
        """One image is too few, because it has no variance."""
        return None if batch > 1 else "vertices patches needs 2 images or more in a forward pass; raise train.batch"

    def graphs(self, batch: int) -> int:
        """One graph for each image, criterion and direction."""
        return batch * (1 + (self.by == "both")) * (1 + (self.search == "both"))

    def nodes(self, batch: int) -> None:
        """At most `best`, and at most as many as maps have cells."""

    def build(self, channels: int) -> torch.nn.Module:
        """G = pairs of views · criteria · directions · B graphs, in this order from the outside; see the class."""
        return as_module(self._arrange)

    def _arrange(self, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
        found: list[Sides] = []
        for left, right in pairs:
            nodes = Sides(student.patches[left], teacher.patches[right])
            places = Sides(student.positions[left], student.positions[right])
            for criterion, compared in (("position", places), ("feature", nodes)):
                if self.by in ("both", criterion):
                    found += self._nearest(nodes, compared)
        most = max(sides.left.shape[1] for sides in found)
        padded = [_padded(sides, most) for sides in found]
        return Arrangement(
            left=torch.cat([sides.left for sides in padded]),
            right=torch.cat([sides.right for sides in padded]),
            allowed=torch.cat([_allowed(sides.left, most) for sides in found]),
            samples=tuple(side.transpose(0, 1) for sides in found for side in sides),
        )

    def _nearest(self, nodes: Sides, compared: Sides) -> Iterator[Sides]:
        """The nearest pairs of each image, `[B,γ,D]` on both sides, for each direction."""
        few = compared.left.shape[2] == 2  # positions: exact differences cost nothing, and pixels are large numbers
        mode = "donot_use_mm_for_euclid_dist" if few else "use_mm_for_euclid_dist_if_necessary"
        # The choice of pairs is a step function, and autograd would keep P · Q distances for each image.
        with torch.no_grad():
            far_BPQ = torch.cdist(compared.left, compared.right, compute_mode=mode)
        if self.search != "right":
            left, right = _best(far_BPQ, self.best)
            yield Sides(_take(nodes.left, left), _take(nodes.right, right))
        if self.search != "left":
            right, left = _best(far_BPQ.mT, self.best)
            yield Sides(_take(nodes.left, left), _take(nodes.right, right))


class Sides(NamedTuple):
    """Matched nodes, `[B,γ,D]` each."""

    left: torch.Tensor
    right: torch.Tensor


def _best(far_BPQ: torch.Tensor, best: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows that are nearest to any column, the nearest first, and those columns: `[B,γ]` each."""
    distance, nearest = far_BPQ.min(2)
    cells = distance.shape[1]
    rows = distance.topk(min(best or cells, cells), largest=False).indices
    return rows, nearest.gather(1, rows)


def _take(nodes_BPD: torch.Tensor, chosen_Bk: torch.Tensor) -> torch.Tensor:
    return nodes_BPD.gather(1, chosen_Bk[..., None].expand(-1, -1, nodes_BPD.shape[2]))


def _padded(sides: Sides, most: int) -> Sides:
    missing = (0, 0, 0, most - sides.left.shape[1])
    return Sides(*(torch.nn.functional.pad(nodes, missing) for nodes in sides)) if missing[3] else sides


def _allowed(nodes_BnD: torch.Tensor, most: int) -> torch.Tensor:
    """`[B,most,most]`: all pairs of nodes that are no padding."""
    node = torch.arange(most, device=nodes_BnD.device) < nodes_BnD.shape[1]
    return (node[:, None] & node).expand(len(nodes_BnD), -1, -1)
