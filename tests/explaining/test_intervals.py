"""Shares with intervals: Wilson's where trials are independent, as wide as a bootstrap's where they are not."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from gmssl.explaining.accuracy import clustered_share, wilson


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(counts: tuple[int, int]) -> None:
    right, trials = counts
    expected = binomtest(right, trials).proportion_ci(0.95, method="wilson")
    assert wilson(right / trials, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=60))
def test_the_interval_holds_the_mean_and_stays_in_0_to_1(trials: list[tuple[float, int]]) -> None:
    values, clusters = (torch.tensor(list(x)) for x in zip(*trials, strict=True))
    share = clustered_share(values, clusters)
    assert share.mean == pytest.approx(float(values.double().mean()))
    assert share.clusters == len(set(clusters.tolist()))
    if share.clusters < 2:
        assert math.isnan(share.low)
    else:
        assert 0 <= share.low <= share.mean + 1e-9
        assert share.mean - 1e-9 <= share.high <= 1


def test_trials_that_are_copies_count_once() -> None:
    values = (torch.rand(400, generator=torch.Generator().manual_seed(0)) < 0.3).double()
    once = clustered_share(values, torch.arange(400))
    copied = clustered_share(values.repeat_interleave(10), torch.arange(400).repeat_interleave(10))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=2e-3)
    assert copied.trials == 10 * once.trials


def test_a_cluster_bootstrap_agrees() -> None:
    generator = torch.Generator().manual_seed(1)
    graphs, nodes = 60, 16
    likely = 0.1 + 0.6 * torch.rand(graphs, 1, generator=generator)
    values = (torch.rand(graphs, nodes, generator=generator) < likely).double()
    share = clustered_share(values.flatten(), torch.arange(graphs).repeat_interleave(nodes))
    drawn = values.mean(1)[torch.randint(0, graphs, (4000, graphs), generator=generator)].mean(1)
    low, high = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    assert (share.low, share.high) == pytest.approx((low, high), abs=0.015)
    independent = clustered_share(values.flatten(), torch.arange(graphs * nodes))
    assert share.high - share.low > 1.3 * (independent.high - independent.low)


def test_without_scatter_the_clusters_count() -> None:
    share = clustered_share(torch.ones(80), torch.arange(80) // 8)
    assert (share.low, share.high) == pytest.approx(wilson(1.0, 10))
