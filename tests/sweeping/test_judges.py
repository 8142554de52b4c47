"""What runs are evaluated on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gmssl.errors import DataError, TrainingError
from gmssl.sweeping.picture import draw
from gmssl.sweeping.results import grids, sections
from gmssl.sweeping.run import Outcome, Plan

FIRST, SECOND = "learning_rate=0.25", "learning_rate=0.5"

Sweep = Callable[..., tuple[Plan, Outcome]]
Labelled = Callable[..., Path]


def test_several_labelled_sets(sweep: Sweep, program, labelled: Labelled, tmp_path: Path) -> None:
    one, two = labelled(tmp_path / "one", 2), labelled(tmp_path / "two", 3)
    judged = {"seeds": 2, "evaluate": ["knn", "linear"]}
    plan, outcome = sweep(**judged, data=[f"first={one}"])
    assert outcome.values[FIRST, 1]["first_knn"] == 0.6
    program.calls.clear()
    plan, outcome = sweep(**judged, data=[f"first={one}", str(two)])  # one more set is welcome
    assert [call[0] for call in program.calls] == ["evaluate"] * 4
    assert {call[call.index("--train") + 1] for call in program.calls} == {str(two)}
    names = {section.metric.name for section in sections(plan, outcome)}
    assert {"first_knn", "two_linear", "two_linear_pixels"} <= names
    assert [grid.title for grid in grids(plan, sections(plan, outcome))][-2:] == ["kNN on two, %", "linear on two, %"]
    draw(sections(plan, outcome))
    with pytest.raises(TrainingError, match=r"was evaluated on first=.*, two=.*, not on"):
        sweep(**judged, data=[f"first={two}", f"two={one}"])
    for wrong, message in (
        ([str(one), str(one)], "given twice"),
        ([str(one), f"one={two}"], "two sets are called one"),
    ):
        with pytest.raises(DataError, match=message):
            sweep(**judged, data=wrong)


def test_protocols_have_their_own_reports(sweep: Sweep, program, labelled: Labelled, tmp_path: Path) -> None:
    data, test = labelled(tmp_path / "one", 2), labelled(tmp_path / "test", 2)
    judged = {"seeds": 1, "evaluate": ["knn"], "data": [f"first={data}"]}
    names = []
    for options in ({}, {"folds": 3}, {"neighbours": 7}, {"tests": [f"first={test}"]}, {"folds": 3}, {"folds": 5}):
        program.calls.clear()
        outcome = sweep(**judged, **options)[1]
        names += [call[call.index("--name") + 1] for call in program.calls if call[0] == "evaluate"][:1]
        if "tests" in options:
            assert outcome.values[FIRST, 0]["first_knn_test"] == 0.5
            assert outcome.values[FIRST, 0]["first_knn_test_clean_pixels"] == 0.3
            call = program.calls[0]
            assert call[call.index("--test") + 1] == str(test)
    assert names[:3] == ["sweep-first", "sweep-first_folds=3", "sweep-first_neighbours=7"]
    assert names[3].startswith("sweep-first_test=test~")
    assert len(names) == 4, "a report that is there is not made again"
