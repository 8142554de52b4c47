import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.evaluation.classifiers import knn_predict, knn_votes

sizes = st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(1, 4), st.integers(1, 15), st.integers(0, 999))


def drawn(n: int, m: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return (
        torch.randn(n, 3, generator=random),
        torch.randint(0, 4, (n,), generator=random),
        torch.randn(m, 3, generator=random),
    )


def naive_votes(train: torch.Tensor, labels: torch.Tensor, query: torch.Tensor, k: int, classes: int) -> list[float]:
    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    near = sorted(((cosine(t, query.tolist()), y) for t, y in zip(train.tolist(), labels.tolist(), strict=True)))[-k:]
    votes = [sum(math.exp(s / 0.07) for s, y in near if y == c) for c in range(classes)]
    return [v / sum(votes) for v in votes]


@given(sizes)
def test_votes_are_those_of_a_loop_over_neighbours(drawn_sizes):
    n, m, _, k, seed = drawn_sizes
    train, labels, queries = drawn(n, m, seed)
    expected = torch.tensor([naive_votes(train, labels, q, k, 4) for q in queries])
    torch.testing.assert_close(knn_votes(train, labels, queries, k, 4), expected, atol=1e-4, rtol=1e-3)


@given(sizes)
def test_neither_scale_nor_order_of_the_training_images_matters(drawn_sizes):
    n, m, scale, k, seed = drawn_sizes
    train, labels, queries = drawn(n, m, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    votes = knn_votes(train[order] * scale, labels[order], queries / scale, k, 4)
    torch.testing.assert_close(votes, knn_votes(train, labels, queries, k, 4), atol=1e-4, rtol=1e-3)


@given(sizes)
def test_one_neighbour_finds_a_training_image_again(drawn_sizes):
    n, _, _, _, seed = drawn_sizes
    train, labels, _ = drawn(n, 1, seed)
    assert torch.equal(knn_predict(train, labels, train, 1, 4), labels)


def test_near_neighbours_outvote_more_distant_ones():
    train = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert knn_predict(train, torch.tensor([0, 1, 1]), torch.tensor([[1.0, 0.2]]), 3, 2).tolist() == [0]


def test_many_queries_are_answered_in_pieces_alike():
    train, labels, queries = drawn(30, 2500, 0)
    whole = knn_votes(train, labels, queries, 5, 4)
    torch.testing.assert_close(whole[1020:1030], knn_votes(train, labels, queries[1020:1030], 5, 4))


def test_nobody_to_ask_is_refused():
    with pytest.raises(ValueError, match="cannot vote"):
        knn_votes(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), torch.zeros(1, 2), 5, 2)
