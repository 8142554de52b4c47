"""Paired differences against scipy, the central limit theorem and arithmetic by hand; marks by their own rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gmssl.downstream.reporting.drawn import Drawn, RowsError, draw, rows_of
from gmssl.downstream.reporting.judged import Judged
from gmssl.downstream.reporting.pairs import Pair, between, marks, pair_of, pairs_of
from gmssl.downstream.results import Result
from gmssl.interfaces.registry import find, kinds
from gmssl.interfaces.task import Task
from gmssl.system.statistics import summarise

Make = Callable[..., Result]

_SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6)


def test_intervals_over_seeds_are_those_of_the_paired_t_test(make: Make) -> None:
    one, other = make("b", "ours", 0.8), make("b", "random", 0.4)
    (pair,) = pairs_of(Judged("b", "accuracy", True, (one, other)))
    columns = [list(result.scores["accuracy"].per_seed.values()) for result in (one, other)]
    wanted = stats.ttest_rel(*columns).confidence_interval(0.95)
    assert pair.seeds is not None
    assert pair.seeds.interval == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_intervals_over_patients_are_drawn_patient_by_patient(make: Make) -> None:
    """Against sums over patients, without the task's library."""
    judged = Judged("b", "accuracy", True, (make("b", "ours", 0.8, folds=2), make("b", "random", 0.4, folds=2)))
    rows = {result.encoder.name: rows_of(result) for result in judged.results}
    found = between(draw(judged, rows, 40, lambda words: None), "ours", "random", [0, 1, 2])
    units = sorted({f"patient p{n}" for n in range(30)})
    hits = {}
    for name, one in rows.items():
        hits[name] = np.zeros((3, 30))
        for seed, of_seed in one.by_seed.items():
            for row in of_seed:
                right = int(np.argmax(row["probabilities"])) == row["truth"]
                hits[name][seed, units.index(f"patient p{int(str(row['case'])[1:]) // 2}")] += right
    chosen = np.random.default_rng(0).integers(30, size=(40, 30))
    differences = (hits["ours"] - hits["random"]).mean(0)[chosen].sum(1) / 60
    assert found == pytest.approx(tuple(np.percentile(differences, (2.5, 97.5))), abs=1e-9)


def test_the_bootstrap_agrees_with_the_normal_law() -> None:
    generator = np.random.default_rng(3)
    gains = generator.normal(0.1, 0.5, 400)
    means = gains[generator.integers(400, size=(4000, 400))].mean(1)
    drawn = Drawn({"one": {0: means}, "other": {0: np.zeros(4000)}})
    half = 1.96 * gains.std() / 20
    assert between(drawn, "one", "other", [0]) == pytest.approx((gains.mean() - half, gains.mean() + half), abs=0.004)
    assert between(drawn, "one", "one", [0]) == (0.0, 0.0)
    assert between(drawn, "one", "absent", [0]) is None


def test_scores_that_many_samples_lack_have_no_interval() -> None:
    holes = np.where(np.arange(100) % 5 == 0, np.nan, 1.0)
    assert between(Drawn({"a": {0: holes}, "b": {0: np.zeros(100)}}), "a", "b", [0]) is None


def test_rows_that_are_gone_or_changed_are_not_used(make: Make) -> None:
    import json
    from pathlib import Path

    result = make("b", "ours", 0.8)
    judged = Judged("b", "accuracy", True, (result,))
    folder = Path(result.fits[0])
    loaded = json.loads((folder / "rows.json").read_text())
    loaded["rows"][0]["truth"] = (loaded["rows"][0]["truth"] + 1) % 3
    (folder / "rows.json").write_text(json.dumps(loaded))
    with pytest.raises(RowsError, match="have changed"):
        draw(judged, {"ours": rows_of(result)}, 5, lambda words: None)
    (folder / "fit.json").unlink()
    with pytest.raises(RowsError, match="whose the cases are"):
        rows_of(result)
    (folder / "rows.json").unlink()
    with pytest.raises(RowsError, match="is not there"):
        rows_of(result)


@given(_SCORES, st.booleans())
def test_turning_a_pair_turns_its_verdict(scores: list[tuple[float, float]], higher: bool) -> None:
    found = summarise({seed: one - other for seed, (one, other) in enumerate(scores)})
    pair = Pair("b", "m", higher, "one", "other", found, None)
    assert pair.turned().verdict == -pair.verdict
    assert pair.turned().turned() == pair
    assert pair_of([pair], "other", "one") == pair.turned()
    worse_first = Pair("b", "m", not higher, "one", "other", found, None)
    assert worse_first.verdict == -pair.verdict


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=4))
def test_marks_are_given_only_to_those_that_are_told_apart(table: list[list[float]]) -> None:
    names = [f"e{n}" for n in range(len(table))]
    pairs = [
        Pair("b", "m", True, a, b, summarise({s: x - y for s, (x, y) in enumerate(zip(one, two, strict=True))}), None)
        for n, (a, one) in enumerate(zip(names, table, strict=True))
        for b, two in list(zip(names, table, strict=True))[n + 1 :]
    ]
    ranked = sorted(names, key=lambda name: -float(np.mean(table[names.index(name)])))
    best, second = marks(ranked, pairs)

    def apart(name: str, below: list[str]) -> bool:
        values = np.array(table[names.index(name)])
        gaps = [values - np.array(table[names.index(other)]) for other in below]
        return bool(below) and all(
            gap.mean() - stats.t.ppf(0.975, 2) * gap.std(ddof=1) / np.sqrt(3) > 1e-12 for gap in gaps
        )

    if best is not None:
        assert best == ranked[0]
        assert all(pair_of(pairs, best, other).verdict == 1 for other in ranked[1:])  # type: ignore[union-attr]
    if apart(ranked[0], ranked[1:]):
        assert best == ranked[0]
    if apart(ranked[1], ranked[2:]):
        assert second == ranked[1]


def test_an_interval_over_patients_that_holds_zero_forbids_a_mark() -> None:
    sure = summarise({0: 0.1, 1: 0.1, 2: 0.11})
    assert Pair("b", "m", True, "one", "other", sure, (0.01, 0.2)).verdict == 1
    assert Pair("b", "m", True, "one", "other", sure, (-0.01, 0.2)).verdict == 0
    assert Pair("b", "m", True, "one", "other", summarise({0: 0.1}), None).verdict == 0


@pytest.mark.parametrize("kind", kinds("task"))
def test_every_task_scores_rows_without_the_cases(kind: str) -> None:
    assert find("task", kind).summarise is not Task.summarise
