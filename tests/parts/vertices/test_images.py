"""Arrangement of images into graphs."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.vertices import Encoding


@given(per_graph=st.integers(2, 5), batch=st.integers(5, 17), pairs=st.sampled_from([((0, 1),), ((0, 1), (2, 0))]))
def test_every_node_is_its_image(per_graph: int, batch: int, pairs: tuple[tuple[int, int], ...]) -> None:
    part = gmssl.part("vertices", "images", per_graph=per_graph)
    # An embedding that tells its view and its image.
    views, images = torch.meshgrid(torch.arange(3.0), torch.arange(float(batch)), indexing="ij")
    encoding = Encoding(torch.stack((views, images), 2), torch.arange(batch))
    arranged = part.build(2)(encoding, encoding, pairs)
    graphs = batch // per_graph
    assert arranged.left.shape == (len(pairs) * graphs, per_graph, 2)
    for pair, (a, b) in enumerate(pairs):
        rows = slice(pair * graphs, (pair + 1) * graphs)
        assert bool((arranged.left[rows, :, 0] == a).all())
        assert bool((arranged.right[rows, :, 0] == b).all())
        assert arranged.left[rows, :, 1].flatten().tolist() == list(range(graphs * per_graph))
    assert torch.equal(arranged.right[..., 1], arranged.left[..., 1])
    assert arranged.allowed.all()
    assert arranged.allowed.shape == (len(arranged.left), per_graph, per_graph)
    for source, nodes in zip(arranged.sources, (arranged.left, arranged.right), strict=True):
        assert torch.equal(source, (nodes[..., 0] * batch + nodes[..., 1]).long())
    assert arranged.left_out == part.left_out(batch) == batch - graphs * per_graph


def test_a_batch_without_a_graph_is_a_fault() -> None:
    part = gmssl.part("vertices", "images", per_graph=16)
    assert part.fault(16) is None
    assert "at most 15" in str(part.fault(15))


def test_gradients_reach_the_embeddings_of_all_images_in_graphs() -> None:
    embeddings = torch.randn(2, 5, 3, requires_grad=True)
    encoding = Encoding(embeddings, torch.arange(5))
    arranged = gmssl.part("vertices", "images", per_graph=2).build(3)(encoding, encoding, ((0, 1),))
    (arranged.left.sum() + 2 * arranged.right.sum()).backward()
    assert embeddings.grad is not None
    assert embeddings.grad[:, :, 0].tolist() == [[1, 1, 1, 1, 0], [2, 2, 2, 2, 0]]


@given(per_graph=st.integers(2, 6), graphs=st.integers(1, 7), data=st.data())
def test_each_partition_holds_every_image_once(per_graph: int, graphs: int, data: st.DataObject) -> None:
    partitions = data.draw(st.integers(1, graphs))
    part = gmssl.part("vertices", "images", per_graph=per_graph, partitions=partitions)
    batch = per_graph * graphs
    encoding = Encoding(torch.zeros(2, batch, 1), torch.arange(batch))
    arranged = part.build(1)(encoding, encoding, ((0, 1),))
    assert arranged.sources is not None
    images = arranged.sources[0].view(partitions, graphs, per_graph)
    assert torch.equal(arranged.sources[1], arranged.sources[0] + batch)
    for partition in images:
        assert sorted(partition.flatten().tolist()) == list(range(batch))
    assert images[0].flatten().tolist() == list(range(batch))
    if partitions > 1:  # in the second one, no two of a block of the first meet again, if there are enough graphs
        blocks = images[1] // per_graph
        assert all(len(set(graph.tolist())) == min(per_graph, graphs) for graph in blocks)


def test_more_partitions_than_graphs_are_a_fault() -> None:
    part = gmssl.part("vertices", "images", per_graph=4, partitions=3)
    assert part.fault(12) is None
    assert "only 2 graph(s)" in str(part.fault(11))
