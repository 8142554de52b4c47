"""kNN graphs against a loop over nodes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl


@given(seed=st.integers(0, 2**31), n=st.integers(2, 9), k=st.integers(1, 10))
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbours_are_the_nearest_other_nodes(metric: str, seed: int, n: int, k: int) -> None:
    nodes = torch.randn(2, n, 3, generator=torch.Generator().manual_seed(seed))
    edges = gmssl.part("graph", "knn", neighbours=k, metric=metric).edges(nodes)
    k = min(k, n - 1)
    assert edges.shape == (2, n * k, 2)
    assert edges.dtype == torch.int64
    for graph in range(2):
        for i in range(n):
            near = edges[graph, edges[graph, :, 0] == i, 1].tolist()
            assert i not in near
            assert len(set(near)) == k

            def far(j: int, graph: int = graph, i: int = i) -> float:
                a, b = nodes[graph, i], nodes[graph, j]
                return float((a - b).norm() if metric == "euclidean" else 1 - torch.cosine_similarity(a, b, dim=0))

            rest = [j for j in range(n) if j != i and j not in near]
            assert max(map(far, near)) <= min(map(far, rest), default=torch.inf) + 1e-5


def test_edgeless_has_no_edges() -> None:
    assert gmssl.part("graph", "edgeless").edges(torch.zeros(3, 4, 5)).shape == (3, 0, 2)


def test_one_node_has_no_neighbour() -> None:
    assert gmssl.part("graph", "knn").edges(torch.zeros(2, 1, 5)).shape == (2, 0, 2)


def test_no_gradient_flows() -> None:
    nodes = torch.randn(1, 4, 2, requires_grad=True)
    assert not gmssl.part("graph", "knn").edges(nodes).requires_grad
