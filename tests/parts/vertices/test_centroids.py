"""Vertices `centroids` and their memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

import gmssl
from gmssl.interfaces.vertices import BeginsEpochs, Encoding, Epoch
from gmssl.parts.vertices.clustering import Memory

PAIRS = ((1, 0), (2, 0), (0, 1), (2, 1))
IMAGES, CHANNELS = 30, 4


def encoding(seed: int, index: torch.Tensor) -> Encoding:
    random = torch.Generator().manual_seed(seed)
    return Encoding(torch.randn(3, len(index), CHANNELS, generator=random), index)


def epoch(number: int, looks: list[int]) -> Epoch:
    """Each pass over the data set leaves its mark in `looks`."""

    def encodings() -> Iterator[Encoding]:
        looks.append(number)
        order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(0))
        yield from (encoding(batch, order[batch * 10 : batch * 10 + 10]) for batch in range(3))

    return Epoch(number, IMAGES, 7 + number, PAIRS, encodings)


def vertices(**settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return gmssl.part("vertices", "centroids", numbers=(5, 3, 4), **settings).build(CHANNELS)


def test_the_first_epoch_looks_at_all_images_and_later_ones_do_not() -> None:
    module, looks = vertices(), []
    assert isinstance(module, BeginsEpochs)
    for number in (0, 0, 1, 2):
        module.begin_epoch(epoch(number, looks))
    assert looks == [0]
    assert module.memory.known.all()
    assert module.memory.rows.shape == (2, IMAGES, CHANNELS)  # views 0 and 1 stand on the right of pairs


def test_centroids_are_the_means_of_their_view() -> None:
    module = vertices(iterations=100)
    module.begin_epoch(epoch(0, []))
    for head, number in enumerate((5, 3, 4)):
        rows, centroids = module.memory.rows[head % 2], module.centroids[head, :number]
        nearest = torch.cdist(rows, centroids).argmin(1)
        means = torch.stack([normalize(rows[nearest == k].sum(0), dim=0) for k in range(number)])
        torch.testing.assert_close(centroids, means)


@pytest.mark.parametrize("remembered", ["other_view", "clustered_view"])
def test_the_order_of_graphs_and_what_they_remember(remembered: str) -> None:
    module = vertices(remembered=remembered)
    module.begin_epoch(epoch(0, []))
    index = torch.tensor([3, 17, 29])
    seen, before = encoding(9, index), module.memory.rows.clone()
    arrangement = module(seen, seen, PAIRS)
    assert arrangement.left.shape == (12, 3, CHANNELS)
    assert arrangement.right.shape == (12, 5, CHANNELS)
    for graph, (pair, head) in enumerate((pair, head) for pair in PAIRS for head in range(3)):
        view = pair[1] if remembered == "other_view" else head % 2
        assert torch.equal(arrangement.left[graph], seen.embeddings[pair[0]])
        assert torch.equal(arrangement.right[graph], module.centroids[head])
        assert torch.equal(arrangement.remembered[graph], before[view, index])
        assert arrangement.allowed[graph].sum(1).tolist() == [(5, 3, 4)[head]] * 3
    target = gmssl.part("target", "kmeans").build()(torch.randn(12, 3, 5), arrangement)
    assert torch.equal(target.sum(2), torch.ones(12, 3))
    assert (target <= arrangement.allowed).all()


def test_memory_is_overwritten_in_training_only() -> None:
    module = vertices()
    module.begin_epoch(epoch(0, []))
    before, seen = module.memory.rows.clone(), encoding(9, torch.tensor([3, 17]))
    module.eval()
    module(seen, seen, PAIRS)
    assert torch.equal(module.memory.rows, before)
    module.train()
    module(seen, seen, PAIRS)
    others = [i for i in range(IMAGES) if i not in (3, 17)]
    assert torch.equal(module.memory.rows[:, others], before[:, others])
    torch.testing.assert_close(module.memory.rows[:, [3, 17]], normalize(seen.embeddings[:2], dim=2))


def test_checkpoints_hold_everything() -> None:
    """Through a file, as plain tensors; both go on alike, and neither looks at the images again."""
    module, looks = vertices(), []
    module.begin_epoch(epoch(0, looks))
    seen = encoding(9, torch.tensor([3, 17]))
    module(seen, seen, PAIRS)
    restored = vertices()
    restored.load_state_dict(copy.deepcopy(module.state_dict()))
    for each in (module, restored):
        each.begin_epoch(epoch(0, looks))
        each(encoding(10, torch.tensor([4, 29])), seen, PAIRS)
        each.begin_epoch(epoch(1, looks))
    assert looks == [0]
    assert torch.equal(module.memory.rows, restored.memory.rows)
    assert torch.equal(module.centroids, restored.centroids)
    untouched = vertices()
    untouched.load_state_dict(vertices().state_dict())
    assert untouched.memory is None


def test_memory_goes_with_the_module() -> None:
    module = vertices()
    module.begin_epoch(epoch(0, []))
    module.to(torch.float64)
    assert module.memory.rows.dtype == torch.float64
    assert module.memory.known.dtype == torch.bool


def test_unknown_images_are_not_clustered_and_ask_their_other_view() -> None:
    memory = Memory.empty(1, 4, torch.zeros(2))
    memory.take_in(torch.tensor([1]), torch.tensor([[[0.0, 1.0]]]))
    otherwise = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert memory.recall(torch.tensor([1, 2]), otherwise).tolist() == [[[0.0, 1.0], [1.0, 0.0]]]
    assert memory.known.tolist() == [False, True, False, False]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_of_an_image_that_comes_twice_the_last_view_is_kept(index: list[int]) -> None:
    memory = Memory.empty(1, 6, torch.zeros(1))
    memory.take_in(torch.tensor(index), torch.arange(1.0, len(index) + 1)[None, :, None])
    last = {image: place + 1.0 for place, image in enumerate(index)}
    assert memory.rows[0, :, 0].tolist() == [last.get(image, 0.0) for image in range(6)]


def test_shortage() -> None:
    part = gmssl.part("vertices", "centroids", numbers=(5, 9))
    assert part.shortage(9) is None
    assert "9 clusters" in part.shortage(8)
    assert gmssl.part("vertices", "prototypes").shortage(1) is None
