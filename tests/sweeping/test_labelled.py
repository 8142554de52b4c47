"""Labelled sets: their names, their protocols, and what they are refused for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmssl.errors import DataError
from gmssl.sweeping.labelled import LabelledSet, read_sets


def test_names_are_those_of_folders(tmp_path: Path) -> None:
    paths = [tmp_path / "brain" / "train", tmp_path / "chest" / "index.csv", tmp_path / "retina", tmp_path / "a.csv"]
    sets = read_sets([str(path) for path in paths])
    assert [each.name for each in sets] == ["brain", "chest", "retina", "a"]
    assert [each.path for each in sets] == paths
    assert [each.name for each in read_sets([f"x={paths[0]}", str(paths[2])])] == ["x", "retina"]


def test_reports_of_the_default_protocol_keep_their_names(tmp_path: Path) -> None:
    assert read_sets(()) == (LabelledSet(),)
    assert [each.report for each in (*read_sets(()), *read_sets(["x"]), *read_sets(["n=x"]))] == [
        "sweep",
        "sweep",
        "sweep-n",
    ]
    assert read_sets(())[0].options == ["--name", "sweep"]
    assert read_sets(["n=/x"])[0].options == ["--name", "sweep-n", "--train", "/x"]


def test_every_protocol_has_its_report() -> None:
    sets = [read_sets(["n=/x"], tests, folds, k)[0] for tests, folds in (((), None), ((), 3)) for k in (20, 5)]
    sets += [read_sets(["n=/x"], [f"n={test}"], None, k)[0] for test in ("/y/test", "/z/test") for k in (20, 5)]
    assert len({each.report for each in sets}) == len(sets)
    assert read_sets(["n=/x"], (), 3, 5)[0].options[2:] == ["--train", "/x", "--folds", "3", "--neighbours", "5"]
    assert read_sets(["n=/x"], ["n=/y"])[0].options[2:] == ["--train", "/x", "--test", "/y"]


def test_test_sets_belong_to_data() -> None:
    assert read_sets([], ["/t"])[0].test == Path("/t")
    assert read_sets(["/a"], ["/t"])[0].test == Path("/t")
    sets = read_sets(["a=/a", "b=/b", "c=/a"], ["b=/t", "c=/t"], folds=3)
    assert [(each.name, each.test, each.folds) for each in sets] == [
        ("a", None, 3),
        ("b", Path("/t"), 3),
        ("c", Path("/t"), 3),
    ]


@pytest.mark.parametrize(
    ("data", "tests", "folds", "message"),
    [
        (["/a", "/a"], [], None, "--data /a is given twice"),
        (["a=/a", "b=/a"], [], None, "--data b=/a is given twice"),
        (["/x/a", "/y/a"], [], None, "two sets are called a"),
        (["a=/a", "b=/b"], ["/t"], None, "--test /t belongs to no --data; name one of a, b, as in --test a=/t"),
        (["a=/a", "b=/b"], ["c=/t"], None, "belongs to no --data"),
        (["/a"], ["c=/t"], None, "write --test /t"),
        (["/a"], ["/t", "/u"], None, "two test sets"),
        (["/a"], ["/t"], 3, "--folds 3 is for cross-validation"),
    ],
)
def test_wrong_sets(data: list[str], tests: list[str], folds: int | None, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_sets(data, tests, folds)
    assert message in str(caught.value)
