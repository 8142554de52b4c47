"""Arrangement of map cells into pairs of nearest ones."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.vertices import Encoding

BATCH = 3


def encoding(seed: int, cells: tuple[int, ...]) -> Encoding:
    random = torch.Generator().manual_seed(seed)
    patches = tuple(torch.randn(BATCH, count, 4, generator=random, requires_grad=True) for count in cells)
    positions = tuple(100 * torch.rand(BATCH, count, 2, generator=random) for count in cells)
    return Encoding(torch.stack([p.mean(1) for p in patches]), torch.arange(BATCH), patches, positions)


maps = st.lists(st.integers(1, 9), min_size=2, max_size=3).map(tuple)


@given(
    seed=st.integers(0, 99),
    cells=maps,
    by=st.sampled_from(["position", "feature"]),
    best=st.none() | st.integers(1, 9),
    search=st.sampled_from(["left", "right"]),
)
def test_nodes_are_the_nearest_pairs_the_nearest_first(
    seed: int, cells: tuple[int, ...], by: str, best: int | None, search: str
) -> None:
    """Against a search in plain loops."""
    given_views = encoding(seed, cells)
    pairs = ((0, len(cells) - 1), (1, 0))
    arranged = gmssl.part("vertices", "patches", by=by, best=best, search=search).build(4)(
        given_views, given_views, pairs
    )
    compared = given_views.positions if by == "position" else given_views.patches
    for number, (left, right) in enumerate(pairs):
        first, second = (left, right) if search == "left" else (right, left)
        for image in range(BATCH):
            graph = number * BATCH + image
            rows, columns = compared[first][image].detach(), compared[second][image].detach()
            far = torch.tensor([[float((a - b).norm()) for b in columns] for a in rows])
            order = sorted(range(len(far)), key=lambda p: float(far[p].min()))[:best]
            found = [(p, int(far[p].argmin())) for p in order]
            lefts, rights = zip(*(pair if search == "left" else pair[::-1] for pair in found), strict=True)
            count = len(found)
            assert torch.equal(arranged.left[graph, :count], given_views.patches[left][image, list(lefts)])
            assert torch.equal(arranged.right[graph, :count], given_views.patches[right][image, list(rights)])
            assert arranged.allowed[graph, :count, :count].all()
            assert int(arranged.allowed[graph].sum()) == count**2  # the rest is padding
    assert not arranged.left[~arranged.allowed.any(2)].any()


@given(seed=st.integers(0, 99), cells=maps)
def test_both_is_each_in_graphs_of_its_own(seed: int, cells: tuple[int, ...]) -> None:
    given_views = encoding(seed, cells)

    def energies(**settings: str) -> list[float]:
        arranged = gmssl.part("vertices", "patches", best=4, **settings).build(4)(given_views, given_views, ((0, 1),))
        return (arranged.left - arranged.right).square().sum((1, 2)).tolist()

    alone = [
        e for by in ("position", "feature") for search in ("left", "right") for e in energies(by=by, search=search)
    ]
    assert energies() == pytest.approx(alone)


def test_regularisers_see_the_same_node_of_all_images() -> None:
    given_views = encoding(0, (4, 9))
    part = gmssl.part("vertices", "patches", best=6)
    arranged = part.build(4)(given_views, given_views, ((0, 1),))
    assert [tuple(sample.shape) for sample in arranged.samples] == [(4, BATCH, 4)] * 2 + [(6, BATCH, 4)] * 2 + [
        (4, BATCH, 4)
    ] * 2 + [(6, BATCH, 4)] * 2
    assert torch.equal(arranged.samples[2][5], arranged.left[BATCH : 2 * BATCH, 5])
    assert torch.equal(arranged.samples[3][5], arranged.right[BATCH : 2 * BATCH, 5])


def test_gradients_reach_chosen_cells_only() -> None:
    given_views = encoding(1, (4, 4))
    arranged = gmssl.part("vertices", "patches", best=1, by="position", search="left").build(4)(
        given_views, given_views, ((0, 1),)
    )
    (arranged.left.sum() + arranged.right.sum()).backward()
    for patches in given_views.patches:
        assert patches.grad is not None
        assert patches.grad.any(2).sum(1).tolist() == [1] * BATCH


def test_one_image_is_a_fault() -> None:
    part = gmssl.part("vertices", "patches")
    assert part.fault(2) is None
    assert "raise train.batch" in str(part.fault(1))
