from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from gmssl.interfaces.task import Row
from gmssl.parts.tasks.classification.scores import names_of, resampled, summary


@st.composite
def predicted(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of classes, truth `[N]` and probabilities `[N,C]`, some equal, with classes that may be missing."""
    classes, count = draw(st.integers(2, 5)), draw(st.integers(1, 30))
    seed, levels = draw(st.integers(0, 10**6)), draw(st.sampled_from((2, 5, 1000)))
    generator = np.random.default_rng(seed)
    truth = generator.choice(generator.choice(classes, generator.integers(1, classes + 1), replace=False), count)
    raw = generator.integers(1, levels + 1, (count, classes)) + generator.uniform(0, 1e-9, (count, classes))
    return classes, truth, raw / raw.sum(1, keepdims=True)


def rows(truth: np.ndarray, probabilities: np.ndarray) -> list[Row]:
    return [
        {"case": str(n), "truth": int(t), "probabilities": [float(v) for v in p]}
        for n, (t, p) in enumerate(zip(truth, probabilities, strict=True))
    ]


@given(predicted())
def test_scores_are_those_of_scikit_learn(given_: tuple[int, np.ndarray, np.ndarray]) -> None:
    classes, truth, probabilities = given_
    found = summary(rows(truth, probabilities), classes, grades=True)
    chosen, present = probabilities.argmax(1), np.unique(truth)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, chosen), abs=1e-6)
    recall = metrics.recall_score(truth, chosen, labels=present, average="macro", zero_division=0)
    assert found["balanced_accuracy"] == pytest.approx(recall, abs=1e-6)
    f1 = metrics.f1_score(truth, chosen, labels=present, average="macro", zero_division=0)
    assert found["f1"] == pytest.approx(f1, abs=1e-6)
    if len(present) == 1:
        assert found["auroc"] is None
    else:
        areas = [metrics.roc_auc_score(truth == label, probabilities[:, label]) for label in present]
        assert found["auroc"] == pytest.approx(np.mean(areas), abs=1e-6)
    if len(np.unique([*truth, *chosen])) == 1:
        assert found["kappa"] is None
    else:
        kappa = metrics.cohen_kappa_score(truth, chosen, labels=range(classes), weights="quadratic")
        assert found["kappa"] == pytest.approx(kappa, abs=1e-6)


def test_scores_of_nothing_are_none() -> None:
    assert set(summary([], 3, grades=True).values()) == {None}
    assert "kappa" not in summary([], 3, grades=False)


@given(predicted(), st.data())
def test_resampled_scores_are_those_of_the_chosen_rows(
    given_: tuple[int, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    classes, truth, probabilities = given_
    every = rows(truth, probabilities)
    chosen = data.draw(st.lists(st.integers(0, len(every) - 1), max_size=len(every)))
    wanted = summary([every[index] for index in chosen], classes, grades=True)
    assert resampled(every, classes, names_of(grades=True))(chosen) == wanted
    assert resampled(every, classes, ["f1"])(chosen) == {"f1": wanted["f1"]}
