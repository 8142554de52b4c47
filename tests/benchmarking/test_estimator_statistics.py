"""Intervals: those of the jackknife, which for a mean is Student's."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gmssl.benchmarking.estimators.statistics import Interval, jackknife, mean


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20))
def test_of_a_mean_it_is_the_t_interval(values: list[float]) -> None:
    found = mean(torch.tensor([*values, math.nan], dtype=torch.float64))
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-9)
    assert (found.high or 0) - (found.mean or 0) == pytest.approx(half, abs=1e-6)
    assert (found.low or 0) - (found.mean or 0) == pytest.approx(-half, abs=1e-6)


def test_the_interval_of_a_ratio_holds_the_truth() -> None:
    """In about 95 of 100 repetitions; 88 is some five standard deviations below."""
    generator = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(200):
        below = 1 + torch.rand(40, generator=generator, dtype=torch.float64)
        above = 0.3 * below + 0.2 * torch.randn(40, generator=generator, dtype=torch.float64)
        found = jackknife(torch.stack([above, below], 1), lambda x: x[:, 0] / x[:, 1])
        assert found.low is not None
        assert found.high is not None
        hits += found.low < 0.3 < found.high
    assert hits / 200 > 0.88


def test_without_numbers_there_is_no_number() -> None:
    assert mean(torch.tensor([math.nan])) == Interval(None)
    assert mean(torch.tensor([2.0])) == Interval(2.0)
    assert jackknife(torch.zeros(3, 1), lambda x: x[:, 0] / 0) == Interval(None)


def test_a_value_with_a_border_keeps_the_width_of_its_interval() -> None:
    assert Interval(-0.5, -1.5, 0.5).within(0, math.inf) == Interval(0.0, 0.0, 1.0)
    assert Interval(1.5, 1.0, 2.0).within(-1, 1) == Interval(1.0, 0.5, 1.0)
    assert Interval(0.5, 0.25, 0.75).within(0, 1) == Interval(0.5, 0.25, 0.75)
    assert Interval(2.0).within(0, 1) == Interval(1.0)
    assert Interval(None).within(0, 1) == Interval(None)


def test_a_decreasing_function_swaps_the_ends() -> None:
    assert Interval(2.0, 1.0, 4.0).map(lambda x: -x) == Interval(-2.0, -4.0, -1.0)
    assert Interval(None).map(abs) == Interval(None)
