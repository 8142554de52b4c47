"""Means, deviations and intervals against scipy's own, and the level that intervals promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gmssl.system.statistics import difference, summarise

_NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False)


@given(st.lists(_NUMBERS, min_size=2, max_size=8))
def test_summary_is_scipy_s(values: list[float]) -> None:
    found = summarise(dict(enumerate(values)))
    assert found is not None
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    if np.std(values) > 1e-6:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
        assert found.interval == pytest.approx((low, high), abs=1e-6)


@given(st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=2, max_size=8))
def test_difference_is_the_paired_test_s(pairs: list[tuple[float, float]]) -> None:
    one, two = (dict(enumerate(column)) for column in zip(*pairs, strict=True))
    found = difference(one, two)
    assert found is not None
    if np.std([a - b for a, b in pairs]) > 1e-6:
        interval = stats.ttest_rel(list(one.values()), list(two.values())).confidence_interval(0.95)
        assert found.interval == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_only_common_seeds_are_paired() -> None:
    found = difference({0: 1.0, 1: 5.0, 2: 4.0}, {1: 2.0, 2: 1.0, 3: 9.0})
    assert found is not None
    assert (found.n, found.mean, found.deviation, found.interval) == (2, 3.0, 0.0, (3.0, 3.0))
    assert difference({0: 1.0}, {1: 1.0}) is None


def test_few_values() -> None:
    assert summarise({}) is None
    one = summarise({4: 2.5})
    assert one is not None
    assert (one.n, one.mean, one.deviation, one.interval) == (1, 2.5, None, None)


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    draws = np.random.default_rng(0).normal(3.0, 2.0, (4000, 3))
    found = [summarise(dict(enumerate(row))) for row in draws.tolist()]
    share = np.mean([s is not None and s.interval is not None and s.interval[0] <= 3 <= s.interval[1] for s in found])
    assert share == pytest.approx(0.95, abs=0.015)
