"""Message passing against dense matrices, one graph at a time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl


def nodes_and_edges(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    nodes = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(seed))
    return nodes, gmssl.part("graph", "knn", neighbours=2).edges(nodes)


def adjacency(edges: torch.Tensor, n: int) -> torch.Tensor:
    """a[i, j] = 1 if i listens to j."""
    a = torch.zeros(n, n)
    a[edges[:, 0], edges[:, 1]] = 1
    return a


@pytest.mark.parametrize("degree", ["with_self_loop", "as_printed"])
@pytest.mark.parametrize("residual", [False, True])
@given(seed=st.integers(0, 2**31))
def test_gcn_is_the_printed_formula(degree: str, residual: bool, seed: int) -> None:
    nodes, edges = nodes_and_edges(seed)
    torch.manual_seed(0)
    module = gmssl.part("message_passing", "gcn", width=5, degree=degree, residual=residual).build(4)
    got = module(nodes, edges)
    for graph in range(3):
        a = adjacency(edges[graph], 6)
        with_loops = a + torch.eye(6)
        scale = (with_loops if degree == "with_self_loop" else a).sum(1).rsqrt()
        smooth = scale[:, None] * with_loops * scale[None, :]
        h = nodes[graph]
        for number in range(2):
            y = smooth @ h @ module.layers[number].lin.weight.T
            y = y if number else torch.relu(y)
            h = y + module.skips[number](h) if residual else y
        torch.testing.assert_close(got[graph], h, atol=1e-5, rtol=1e-4)


@given(seed=st.integers(0, 2**31))
def test_graph_conv_is_the_formula_of_morris_et_al(seed: int) -> None:
    nodes, edges = nodes_and_edges(seed)
    module = gmssl.part("message_passing", "graph_conv", width=5, layers=1).build(4).eval()
    layer = module.layers[0]
    for graph in range(3):
        a = adjacency(edges[graph], 6)
        expected = layer.lin_root(nodes[graph]) + layer.lin_rel(a @ nodes[graph])
        torch.testing.assert_close(module(nodes, edges)[graph], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["gcn", "graph_conv", "unchanged"])
@given(seed=st.integers(0, 2**31))
def test_relabelling_nodes_relabels_the_output(kind: str, seed: int) -> None:
    nodes, edges = nodes_and_edges(seed)
    module = gmssl.part("message_passing", kind).build(4).eval()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    back = order.argsort()
    torch.testing.assert_close(
        module(nodes[:, order], back[edges]), module(nodes, edges)[:, order], atol=1e-5, rtol=1e-4
    )


def test_unchanged_changes_nothing() -> None:
    nodes, edges = nodes_and_edges(0)
    assert gmssl.part("message_passing", "unchanged").build(4)(nodes, edges) is nodes


@pytest.mark.parametrize("kind", ["gcn", "graph_conv"])
def test_nodes_without_edges_stay_finite(kind: str) -> None:
    module = gmssl.part("message_passing", kind).build(4)
    out = module(torch.randn(2, 3, 4), torch.empty(2, 0, 2, dtype=torch.int64))
    assert bool(torch.isfinite(out).all())
