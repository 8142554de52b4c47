"""What vertices of several kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from gmssl.lazy import torch

if TYPE_CHECKING:
    from gmssl.interfaces.vertices import Arrangement, Encoding

Pairs: TypeAlias = tuple[tuple[int, int], ...]


def as_module(arrange: Callable[[Encoding, Encoding, Pairs], Arrangement]) -> torch.nn.Module:
    """A module without weights that calls a function."""

    class Arranging(torch.nn.Module):
        def forward(self, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
            return arrange(student, teacher, pairs)

    return Arranging()


def cut(batch: int, per_graph: int, partitions: int, device: torch.device) -> torch.Tensor:
    """Images of each graph, `[P·G,per_graph]`: partition r, node j of graph g is image j of block (g + r·j) mod G."""
    graphs = batch // per_graph
    partition = torch.arange(partitions, device=device)[:, None, None]
    graph, node = torch.arange(graphs, device=device)[:, None], torch.arange(per_graph, device=device)
    # Node j moves on by j blocks with each partition: images at nodes j and j′ that share a graph share one again r
    # partitions later only if r · (j − j′) is a multiple of G. So each partition brings other images together.
    return ((graph + partition * node) % graphs * per_graph + node).flatten(0, 1)


def uncut(batch: int, per_graph: int, partitions: int) -> str | None:
    """Why a batch cannot be cut in this way, with the remedy; None if it can."""
    graphs = batch // per_graph
    if graphs >= partitions:
        return None
    if graphs:
        return (
            f"vertices.partitions is {partitions}, but one forward pass makes only {graphs} graph(s), and no "
            f"more partitions than graphs; lower it to at most {graphs}, or raise train.batch"
        )
    return (
        f"vertices.per_graph is {per_graph}, but one forward pass has only {batch} image(s) "
        f"(train.batch / devices / accumulate); raise train.batch or lower vertices.per_graph to at most {batch}"
    )


def views_of(encoding: Encoding, pairs: Pairs, side: int) -> torch.Tensor:
    """The left (0) or right (1) views of all pairs, `[G,B,D]`."""
    return encoding.embeddings[[pair[side] for pair in pairs]]
