from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.downstream.measures import measure
from gmssl.interfaces.task import Resampled, Row, Scores


def mean_of(rows: list[Row]) -> Scores:
    values = [row["value"] for row in rows if row["value"] is not None]
    return {"value": fmean(values) if values else None}  # type: ignore[arg-type]


def rows(values: list[float | None]) -> list[Row]:
    return [{"case": str(n), "value": value} for n, value in enumerate(values)]


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=2, max_size=4))
def test_means_and_deviations_are_over_seeds(values: list[list[float]]) -> None:
    found = measure(dict(enumerate(map(rows, values))), {str(n): str(n) for n in range(4)}, mean_of, 0)["value"]
    each = [fmean(one) for one in values]
    assert found.mean == pytest.approx(fmean(each))
    assert found.deviation == pytest.approx(stdev(each))
    assert list(found.per_seed.values()) == pytest.approx(each)
    assert found.interval is None


def test_an_interval_is_that_of_means_of_independent_units() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(0.5, 0.1, 400)
    low, high = measure({0: rows(list(values))}, {str(n): str(n) for n in range(400)}, mean_of, 2000)["value"].interval  # type: ignore[misc]
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_cases_of_one_patient_are_drawn_together() -> None:
    # Ten patients whose cases are copies of each other tell no more than ten cases.
    values = [float(n % 10) for n in range(200)]
    units = {str(n): f"p{n % 10}" for n in range(200)}
    low, high = measure({0: rows(values)}, units, mean_of, 500)["value"].interval  # type: ignore[misc]
    alone = measure({0: rows(values)}, {str(n): str(n) for n in range(200)}, mean_of, 500)["value"].interval
    assert high - low > 3 * (alone[1] - alone[0])  # type: ignore[index]


def test_what_samples_have_in_common_may_be_computed_once() -> None:
    generator = np.random.default_rng(2)
    by_seed = {seed: rows(list(generator.random(60))) for seed in range(2)}
    units = {str(n): f"p{n % 25}" for n in range(60)}
    prepared = 0

    def prepare(found: Sequence[Row]) -> Resampled:
        nonlocal prepared
        prepared += 1
        return lambda chosen: mean_of([found[index] for index in chosen])

    assert measure(by_seed, units, mean_of, 50, prepare) == measure(by_seed, units, mean_of, 50)
    assert measure(by_seed, units, mean_of, 50, lambda _: None) == measure(by_seed, units, mean_of, 50)
    assert prepared == 2


def test_scores_without_meaning_are_left_out() -> None:
    found = measure({0: rows([None, None]), 1: rows([0.2, 0.4])}, {"0": "0", "1": "1"}, mean_of, 10)["value"]
    assert found.mean == pytest.approx(0.3)
    assert found.deviation is None
    assert found.per_seed == {"0": None, "1": pytest.approx(0.3)}
    assert measure({0: rows([None])}, {"0": "0"}, mean_of, 10)["value"].mean is None
