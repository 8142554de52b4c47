"""Affinities score vertex pairs or edge pairs: the larger, the more alike."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from gmssl.interfaces.part import Part
from gmssl.lazy import torch


@dataclass(frozen=True, eq=False)
class Side:
    """What an affinity may know of one side of the matching (n nodes a graph, E edges, P map positions).

    Attributes:
        nodes: `[G,n,D]` after message passing, float32.
        edges: `[G,E,2]` int64.
        maps: encoder features at the map positions of each node, `[G,n,P,C]`, or None where nodes have no map.
        positions: centres of the map cells, in pixels of the original image, `[G,n,P,2]` (x, y), or None.
        valid: `[G,P]` bool; False marks padding of smaller maps, or None.
    """

    nodes: torch.Tensor
    edges: torch.Tensor
    maps: torch.Tensor | None = None
    positions: torch.Tensor | None = None
    valid: torch.Tensor | None = None


class Affinity(Part):
    """One term of the affinities; terms are weighted, summed, and negated to costs.

    Class facts:
        scores: "vertex" terms give `[G,n,m]`, "edge" terms `[G,E,F]`.
        reads_maps: the term needs `Side.maps` and `Side.positions`.
        reads_nodes: the term needs `Side.nodes`, and so trains projector and message passing.
    """

    slot: ClassVar[str] = "affinity"
    scores: ClassVar[Literal["vertex", "edge"]]
    reads_maps: ClassVar[bool] = False
    reads_nodes: ClassVar[bool] = True

    weight: float = 1.0

    @abstractmethod
    def score(self, left: Side, right: Side) -> torch.Tensor:
        """Unweighted affinities: `[G,n,m]` of vertex pairs, or `[G,E,F]` of edge pairs."""
