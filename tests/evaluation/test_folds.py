import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.evaluation.folds import split

seeds = st.integers(0, 10)
samples = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.none(), st.sampled_from("abcdefgh"))), min_size=12, max_size=60
)


def groups_of(patients):
    return len(set(patients) - {None}) + patients.count(None)


@given(samples, st.integers(2, 5), seeds)
def test_folds_are_a_partition_that_no_patient_straddles(sample, folds, seed):
    labels, patients = map(list, zip(*sample, strict=True))
    if groups_of(patients) < folds:
        with pytest.raises(DataError, match="folds"):
            split(labels, patients, folds, seed)
        return
    fold_of = split(labels, patients, folds, seed)
    assert sorted(set(fold_of.tolist())) == list(range(folds))
    for patient in set(patients) - {None}:
        assert len({fold for fold, owner in zip(fold_of, patients, strict=True) if owner == patient}) == 1


@given(st.lists(st.integers(0, 3), min_size=5, max_size=80), st.integers(2, 5), seeds)
def test_without_patients_each_class_and_the_whole_are_spread_evenly(labels, folds, seed):
    fold_of = split(labels, [None] * len(labels), folds, seed)
    for label in set(labels):
        counts = np.bincount(fold_of[np.asarray(labels) == label], minlength=folds)
        assert np.ptp(counts) <= 1
    assert np.ptp(np.bincount(fold_of, minlength=folds)) <= len(set(labels))


@given(samples, seeds)
def test_the_seed_alone_decides(sample, seed):
    labels, patients = map(list, zip(*sample, strict=True))
    if groups_of(patients) >= 2:
        assert np.array_equal(split(labels, patients, 2, seed), split(labels, patients, 2, seed))


def test_another_seed_gives_other_folds():
    labels = [0, 1] * 30
    assert not np.array_equal(split(labels, [None] * 60, 5, 0), split(labels, [None] * 60, 5, 1))


def test_patients_of_unequal_size_leave_the_classes_balanced():
    random = np.random.default_rng(0)
    patients = [f"p{p}" for p in range(120) for _ in range(random.integers(1, 8))]
    labels = [int(patient[1:]) % 3 for patient in patients]
    fold_of = split(labels, patients, 5, 0)
    for label in range(3):
        shares = np.bincount(fold_of[np.asarray(labels) == label], minlength=5) / labels.count(label)
        assert np.abs(shares - 0.2).max() < 0.02


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_impossible_numbers_of_folds_are_refused(folds):
    with pytest.raises(DataError, match="at most 3 folds"):
        split([0, 1, 0, 1], ["a", "a", "b", None], folds, 0)
