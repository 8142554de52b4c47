import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.evaluation.scores import official_and_clean, over_folds, score, wilson


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_the_published_formula(counts):
    right, n = counts
    z, p = 1.959963984540054, right / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert wilson(right, n) == pytest.approx((centre - half, centre + half), abs=1e-9)


def test_the_paper_s_interval():
    low, high = wilson(260, 394)  # 66 % of 394 images: ±4.7 points
    assert (high - low) / 2 == pytest.approx(0.0467, abs=5e-4)


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 5), min_size=4, max_size=4)), min_size=1))
def test_scores_are_those_of_a_loop(rows):
    labels = [label for label, _ in rows]
    votes = torch.tensor([v for _, v in rows], dtype=torch.float64) / 10
    guesses = votes.argmax(dim=1).tolist()
    found = score(votes, torch.tensor(labels))
    assert found is not None
    assert found.right == sum(g == y for g, y in zip(guesses, labels, strict=True))
    recalls, areas = [], []
    for c in sorted(set(labels)):
        own = [v[c] for v, y in zip(votes.tolist(), labels, strict=True) if y == c]
        other = [v[c] for v, y in zip(votes.tolist(), labels, strict=True) if y != c]
        recalls.append(sum(g == c for g, y in zip(guesses, labels, strict=True) if y == c) / len(own))
        if other:
            wins = sum((a > b) + (a == b) / 2 for a in own for b in other)
            areas.append(wins / len(own) / len(other))
    assert found.balanced == pytest.approx(sum(recalls) / len(recalls), abs=1e-6)
    if len(areas) < 2:
        assert found.auroc is None
    else:
        assert found.auroc == pytest.approx(sum(areas) / len(areas), abs=1e-5)


def test_no_image_has_no_score():
    assert score(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)) is None


def test_leaked_images_count_in_the_official_score_only():
    votes = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = official_and_clean(votes, torch.tensor([0, 1, 0]), torch.tensor([True, False, False]))
    assert (found.official.right, found.official.images) == (1, 3)
    assert found.without_leaks is not None
    assert (found.without_leaks.right, found.without_leaks.images) == (0, 2)
    assert official_and_clean(votes, torch.tensor([0, 1, 0]), torch.ones(3, dtype=torch.bool)).without_leaks is None


def test_spread_is_the_sample_deviation_of_the_folds():
    one, two = (score(torch.eye(2)[[0, 1]], torch.tensor(y)) for y in ([0, 1], [0, 0]))
    assert one is not None
    assert two is not None
    found = over_folds((one, two))
    assert found.accuracy.mean == pytest.approx(0.75)
    assert found.accuracy.deviation == pytest.approx(0.5 / math.sqrt(2))
    assert found.auroc is None  # the second fold holds one class
