"""What vertices say of their graphs and nodes is what they make."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gmssl
from gmssl.interfaces.registry import kinds
from gmssl.interfaces.vertices import Encoding, Vertices

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "images": [{"per_graph": 3}, {"per_graph": 4, "partitions": 2}],
    "patches": [{}, {"by": "position"}, {"by": "feature", "search": "left"}],
    "centroids": [{"numbers": (5,)}, {"numbers": (3, 5)}],
    "prototypes": [{"number": 6}],
    "queue": [{"size": 16}],
    "both_views": [{}, {"per_graph": 4, "partitions": 2}],
}


@pytest.mark.parametrize("kind", kinds("vertices"))
def test_number_of_graphs_and_nodes(kind: str) -> None:
    batch, cells = 8, 6
    patches = tuple(torch.randn(batch, cells, 4) for _ in range(3))
    positions = tuple(100 * torch.rand(batch, cells, 2) for _ in range(3))
    encoding = Encoding(torch.stack([p.mean(1) for p in patches]), torch.arange(batch), patches, positions)
    for settings in SETTINGS.get(kind, [{}]):
        part = gmssl.part("vertices", kind, **settings)
        assert isinstance(part, Vertices)
        for pairs in (((0, 1),), ((0, 1), (2, 0))):
            arranged = part.build(4)(encoding, encoding, pairs)
            assert len(arranged.left) == len(pairs) * part.graphs(batch)
            assert part.nodes(batch) in (None, arranged.left.shape[1])
