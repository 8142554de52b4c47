"""Both views of images on either side."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.vertices import Arrangement, Encoding


def arranged(batch: int, per_graph: int | None, partitions: int) -> Arrangement:
    """Embeddings tell their view and their image."""
    views, images = torch.meshgrid(torch.arange(3.0), torch.arange(float(batch)), indexing="ij")
    encoding = Encoding(torch.stack((views, images), 2), torch.arange(batch))
    part = gmssl.part("vertices", "both_views", per_graph=per_graph, partitions=partitions)
    found = part.build(2)(encoding, encoding, ((0, 1), (2, 0)))
    assert part.fault(batch) is None
    assert found.left_out == part.left_out(batch)
    return found


@given(per_graph=st.integers(2, 5), graphs=st.integers(1, 4), more=st.integers(0, 1), data=st.data())
def test_graphs_hold_the_images_that_graphs_of_one_view_hold(
    per_graph: int, graphs: int, more: int, data: st.DataObject
) -> None:
    partitions = data.draw(st.integers(1, graphs))
    batch = per_graph * graphs + more
    found = arranged(batch, per_graph, partitions)
    encoding = Encoding(torch.zeros(3, batch, 1), torch.arange(batch))
    images = gmssl.part("vertices", "images", per_graph=per_graph, partitions=partitions)
    sources = images.build(1)(encoding, encoding, ((0, 1), (2, 0))).sources
    assert sources is not None
    told = found.left[..., 0] * batch + found.left[..., 1]
    assert torch.equal(told.long(), torch.cat(sources, 1))
    assert torch.equal(found.left, found.right)


@given(batch=st.integers(2, 9), per_graph=st.none() | st.integers(2, 4))
def test_no_node_may_be_matched_with_itself_and_the_true_one_is_the_other_view(
    batch: int, per_graph: int | None
) -> None:
    if per_graph is not None and per_graph > batch:
        per_graph = None
    found = arranged(batch, per_graph, 1)
    n = found.left.shape[1]
    assert torch.equal(found.allowed, ~torch.eye(n, dtype=torch.bool).expand_as(found.allowed))
    target = gmssl.part("target", "swap").build()(torch.zeros(found.allowed.shape), found)
    partner = torch.einsum("gnm,gmd->gnd", target, found.right)
    assert torch.equal(partner[..., 1], found.left[..., 1])
    assert bool((partner[..., 0] != found.left[..., 0]).all())


def test_faults() -> None:
    part = gmssl.part("vertices", "both_views", per_graph=4, partitions=3)
    assert part.fault(12) is None
    assert "only 2 graph(s)" in str(part.fault(11))
    assert "at most 3" in str(part.fault(3))
    assert "raise train.batch" in str(gmssl.part("vertices", "both_views").fault(1))
