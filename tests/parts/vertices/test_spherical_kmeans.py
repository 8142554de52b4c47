"""Spherical k-means: laws, and every clustering of few rows as oracle."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from torch.nn.functional import normalize

from gmssl.errors import ProblemError
from gmssl.parts.vertices.spherical_kmeans import Clusters, spherical_kmeans

seeds = st.integers(0, 10_000)
shapes = st.integers(1, 40).flatmap(lambda rows: st.tuples(st.just(rows), st.integers(1, rows), st.integers(2, 6)))
DTYPES = st.sampled_from([torch.float32, torch.float64])


def directions(rows: int, channels: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, channels, generator=random, dtype=torch.float64), dim=1).to(dtype)


def clustered(rows: torch.Tensor, number: int, iterations: int = 10, seed: int = 0) -> Clusters:
    return spherical_kmeans(rows, number, iterations, torch.Generator().manual_seed(seed))


@given(shapes, seeds, DTYPES, st.integers(0, 12))
def test_each_row_is_with_its_nearest_centroid_and_no_cluster_is_empty(shape, seed, dtype, iterations) -> None:
    rows, number, channels = shape
    data = directions(rows, channels, seed, dtype)
    found = clustered(data, number, iterations, seed)
    cosines = data @ found.centroids.mT
    torch.testing.assert_close(found.centroids.norm(dim=1), torch.ones(number, dtype=dtype))
    assert torch.equal(found.cosine, cosines.amax(1))
    assert torch.equal(cosines.gather(1, found.chosen[:, None])[:, 0], found.cosine)
    assert (found.chosen.bincount(minlength=number) > 0).all()


@settings(max_examples=20)
@given(shapes, seeds, DTYPES)
def test_the_mean_cosine_never_falls(shape, seed, dtype) -> None:
    rows, number, channels = shape
    data = directions(rows, channels, seed, dtype)
    reached = [float(clustered(data, number, iterations, seed).cosine.mean()) for iterations in range(8)]
    assert all(after >= before - 1e-6 for before, after in pairwise(reached)), reached


@given(st.integers(1, 6), st.integers(1, 12), st.integers(1, 6), seeds)
def test_more_clusters_than_directions_may_be_empty(different: int, copies: int, number: int, seed: int) -> None:
    """All directions are told apart, if enough clusters were asked for, and the others find nobody.

    Of centroids in one direction rounding chooses, and so not always the same for equal rows.
    """
    data = directions(different, 5, seed, torch.float32).repeat(copies, 1)
    number = min(number, len(data))
    found = clustered(data, number, 10, seed)
    assert len(found.chosen.unique()) >= min(different, number)
    if number >= different:
        torch.testing.assert_close(found.cosine, torch.ones(len(data)))


def test_opposite_rows_have_no_mean() -> None:
    data = torch.eye(3)[[0, 0, 1]] * torch.tensor([[1.0], [-1.0], [1.0]])
    found = clustered(data, 1)
    assert torch.isfinite(found.centroids).all()
    torch.testing.assert_close(found.centroids.norm(dim=1), torch.ones(1))


@settings(max_examples=8)
@given(st.integers(4, 6), st.integers(1, 3), seeds)
def test_the_best_start_is_the_best_clustering(rows: int, number: int, seed: int) -> None:
    """Every clustering is tried; the cosines of a cluster with its centroid add up to the length of the rows' sum."""
    data = directions(rows, 3, seed)
    best = max(
        sum(float(data[torch.tensor(labels) == k].sum(0).norm()) for k in range(number))
        for labels in product(range(number), repeat=rows)
    )
    reached = [float(clustered(data, number, 20, start).cosine.sum()) for start in range(30)]
    assert max(reached) == pytest.approx(best, abs=1e-9)
    assert all(value <= best + 1e-9 for value in reached)


@settings(max_examples=10)
@given(seeds)
def test_far_groups_are_found_as_scipy_finds_them(seed: int) -> None:
    """Of unit vectors, the squared distance is 2 − 2 cos: where groups are far apart both k-means agree."""
    centres = torch.eye(4, dtype=torch.float64)
    data = normalize(centres.repeat_interleave(10, 0) + 0.1 * directions(40, 4, seed), dim=1)
    ours = max((clustered(data, 4, 20, start) for start in range(6)), key=lambda found: float(found.cosine.mean()))
    means, labels = kmeans2(data.numpy(), centres.numpy(), minit="matrix")
    pairs = set(zip(ours.chosen.tolist(), labels.tolist(), strict=True))
    assert len(pairs) == 4
    for own, other in pairs:
        np.testing.assert_allclose(ours.centroids[own], means[other] / np.linalg.norm(means[other]), atol=1e-9)


@given(shapes, seeds)
def test_the_generator_decides_all(shape, seed) -> None:
    rows, number, channels = shape
    data = directions(rows, channels, seed, torch.float32)
    first, again = (clustered(data, number, 5, seed) for _ in range(2))
    assert torch.equal(first.centroids, again.centroids)
    assert torch.equal(first.chosen, again.chosen)


def test_large_sets_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = directions(200, 5, 0)
    whole = clustered(data, 7)
    monkeypatch.setattr("gmssl.parts.vertices.spherical_kmeans._ENTRIES", 64)
    parts = clustered(data, 7)
    assert torch.equal(whole.chosen, parts.chosen)
    torch.testing.assert_close(whole.centroids, parts.centroids)


def test_refusals() -> None:
    with pytest.raises(ProblemError, match="5 clusters needs as many readable images, not 4"):
        clustered(directions(4, 3, 0), 5)
    with pytest.raises(ProblemError, match="not finite"):
        clustered(directions(4, 3, 0) / 0, 2)
