from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.downstream.recipe import Split
from gmssl.downstream.splitting import folds_of, parts_of, refuse_missing
from gmssl.errors import DataError
from gmssl.interfaces.cases import Case


def case(number: int, patient: str | None = None, label: str | None = None, **facts: str) -> Case:
    return Case(f"c{number}", {"image": Path(f"{number}.png")}, label, patient, facts)


@st.composite
def cohorts(draw: st.DrawFn) -> list[Case]:
    """At least six patients, each with cases of some labels and one site."""
    patients = draw(st.integers(6, 12))
    sites = draw(st.lists(st.sampled_from("ABC"), min_size=patients, max_size=patients))
    owners = [*range(patients), *draw(st.lists(st.integers(0, patients - 1), max_size=20))]
    labels = draw(st.lists(st.sampled_from("xy"), min_size=len(owners), max_size=len(owners)))
    return [
        case(n, f"p{owner}", label, site=sites[owner])
        for n, (owner, label) in enumerate(zip(owners, labels, strict=True))
    ]


splits = (
    st.builds(Split, folds=st.integers(2, 5), validation=st.floats(0, 0.4), labels=st.floats(0.1, 1))
    | st.just(Split(leave_out="patient"))
)  # fmt: skip


@given(cohorts(), splits, st.integers(0, 9))
def test_no_patient_is_divided_and_every_case_is_scored_once(cases: list[Case], split: Split, seed: int) -> None:
    digests = [c.name for c in cases]
    folds = folds_of(cases, split, digests)
    assert sorted(i for fold in folds for i in fold.test) == list(range(len(cases)))
    for fold in folds:
        parts = parts_of(cases, fold, split, seed)
        sides = [{cases[i].patient for i in side} for side in (parts.train, parts.validation, fold.test)]
        assert len(set().union(*sides)) == sum(map(len, sides))
        assert parts.train
        assert set(parts.train) | set(parts.validation) <= set(fold.train)
        assert parts == parts_of(cases, fold, split, seed)


@given(cohorts(), st.integers(0, 9))
def test_fewer_labels_leave_the_validation_cases_as_they_are(cases: list[Case], seed: int) -> None:
    digests = [c.name for c in cases]
    for fold in folds_of(cases, Split(folds=3), digests):
        every, few = (parts_of(cases, fold, Split(folds=3, labels=share), seed) for share in (1.0, 0.3))
        assert every.validation == few.validation
        assert set(few.train) <= set(every.train)
        assert {cases[i].label for i in few.train} >= {cases[min(m)].label for m in _units(cases, every.train)}


def _units(cases: list[Case], indices: tuple[int, ...]) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for i in indices:
        found.setdefault(cases[i].unit, []).append(i)
    return list(found.values())


def test_copies_take_no_part_in_cross_validation() -> None:
    cases = [case(n) for n in range(6)]
    folds = folds_of(cases, Split(folds=2), ["a", "b", "a", "c", "d", "b"])
    assert sorted(i for fold in folds for i in fold.test) == [0, 1, 3, 4]


def test_conditions_choose_by_facts_and_lists_of_values() -> None:
    cases = [case(n, site=site) for n, site in enumerate("ABCA")]
    (fold,) = folds_of(cases, Split(test={"site": ("B", "C")}), [c.name for c in cases])
    assert (fold.train, fold.test) == ((0, 3), (1, 2))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(test={"site": "D"}), r"split.test: not one of 4 cases has .*they have \{'site': \['A', 'B', 'C'\]\}"),
        (Split(test={"site": "B"}), "patient p1 stands on both sides of the split"),
        (Split(leave_out="scanner"), "c0 has no 'scanner'; it has site"),
        (Split(folds=2, site="hospital"), r"split\.site: no case has 'hospital'; they have site"),
        (Split(folds=4), "cannot be split into 4 folds"),
        (Split(test={"site": ("A", "B", "C")}), "there is no case to learn from"),
    ],
)
def test_faults_are_told(split: Split, message: str) -> None:
    cases = [case(0, "p0", site="A"), case(1, "p1", site="B"), case(2, "p1", site="C"), case(3, "p2", site="A")]
    with pytest.raises(DataError, match=message):
        folds_of(cases, split, [c.name for c in cases])


def test_patients_and_labels_are_sites_too() -> None:
    cases = [case(number, f"p{number % 2}", label="xy"[number % 2]) for number in range(4)]
    for fact in ("patient", "label"):
        assert folds_of(cases, Split(leave_out="patient", site=fact), [c.name for c in cases])


def test_classes_that_are_not_learnt_or_not_scored_are_refused() -> None:
    cases = [case(0, label="x", split="train"), case(1, label="y", split="train"), case(2, label="x", split="test")]
    split, digests = Split(test={"split": "test"}), ["0", "1", "2", "3"]
    with pytest.raises(DataError, match="no scored case has the label 'y', which is learnt"):
        refuse_missing(cases, folds_of(cases, split, digests))
    more = [*cases, case(3, label="y", split="test")]
    refuse_missing(more, folds_of(more, split, digests))
    with pytest.raises(DataError, match="fold test scores cases of 'y', and has none to learn from"):
        refuse_missing(
            more, folds_of(more, Split(test={"split": "test"}, train={"split": "train", "label": "x"}), digests)
        )
    with pytest.raises(DataError, match="all cases of the split have the label 'x'"):
        refuse_missing(more, folds_of(more, Split(folds=2, train={"label": "x"}), digests))
    plain = [case(n, split=("train", "test")[n % 2]) for n in range(4)]  # of tasks without labels
    refuse_missing(plain, folds_of(plain, split, digests))


@given(cohorts(), st.floats(0.05, 0.6), st.integers(0, 9))
def test_a_share_to_test_is_of_patients_and_the_same_in_all_repetitions(
    cases: list[Case], share: float, seed: int
) -> None:
    digests = [c.name for c in cases]
    split = Split(test=share, seed=seed)
    (fold,) = folds_of(cases, split, digests)
    assert (fold,) == tuple(folds_of(cases, split, digests))
    assert sorted((*fold.train, *fold.test)) == list(range(len(cases)))
    assert not {cases[i].patient for i in fold.train} & {cases[i].patient for i in fold.test}
    units = _units(cases, range(len(cases)))
    for label in {cases[members[0]].label for members in units}:
        of_label = [members for members in units if cases[members[0]].label == label]
        scored = sum(members[0] in fold.test for members in of_label)
        assert scored == min(max(1, round(share * len(of_label))), len(of_label) - 1)


def test_copies_are_not_drawn_into_a_share_to_test() -> None:
    cases = [case(n, label="x") for n in range(10)]
    (fold,) = folds_of(cases, Split(test=0.4), ["same"] * 5 + [f"own{n}" for n in range(5)])
    assert sorted((*fold.train, *fold.test)) == [0, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("way", [{"folds": 2}, {"leave_out": "site"}, {"test": 0.5}])
def test_patients_of_validation_by_facts_are_on_one_side_too(way: dict[str, Any]) -> None:
    cases = [case(n, f"p{n % 4}", use="learn" if n < 8 else "choose", site="AB"[n % 2]) for n in range(12)]
    split = Split(train={"use": "learn"}, validation={"use": "choose"}, **way)
    with pytest.raises(DataError, match="stands on both sides of the split"):
        folds_of(cases, split, [c.name for c in cases])


@pytest.mark.parametrize(("share", "said"), [(0.0, "nothing to score"), (1.0, "no share below 1"), (-0.1, "no share")])
def test_shares_that_are_none_are_refused(share: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Split(test=share)
