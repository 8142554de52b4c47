"""Cells: every recipe is checked; names are short, stable, distinct, and safe in any file system."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import RecipeError
from gmssl.sweeping.axes import Axis
from gmssl.sweeping.cells import axis_labels, cell_names, make_cells


def axes(*given: tuple[str, str]) -> tuple[Axis, ...]:
    return tuple(Axis(path, tuple(values.split(";"))) for path, values in given)


def test_product(quick: dict) -> None:
    cells = make_cells(quick, "quick.yaml", axes(("margin", "0;1"), ("optimiser.learning_rate", "0.1;0.2")))
    assert [cell.name for cell in cells] == [
        "margin=0_learning_rate=0.1",
        "margin=0_learning_rate=0.2",
        "margin=1_learning_rate=0.1",
        "margin=1_learning_rate=0.2",
    ]
    assert (cells[2].recipe.margin, cells[2].recipe.optimiser.learning_rate) == (1, 0.1)
    assert cells[2].values == ("1", "0.1")
    assert cells[2].recipe_of(7).seed == 7
    assert "seed" not in quick
    assert quick["optimiser"] == "adamw"


def test_a_setting_of_a_default_part_is_an_axis(quick: dict) -> None:
    cells = make_cells({**quick, "solver": "exact"}, "quick.yaml", axes(("solver.polish.starts", "3;5")))
    assert [(c.recipe.solver.polish.kind, c.recipe.solver.polish.starts) for c in cells] == [
        ("robust_tabu", 3),
        ("robust_tabu", 5),
    ]


def test_all_wrong_cells_are_told(quick: dict) -> None:
    with pytest.raises(RecipeError) as caught:
        make_cells(quick, "quick.yaml", axes(("train.batch", "8;many;-1")))
    text = str(caught.value)
    assert "quick.yaml: 2 of 3 cells" in text
    assert "batch=many: train.batch:" in text
    assert "batch=-1: train.batch:" in text


def test_faults_that_cells_share_are_told_once(quick: dict) -> None:
    with pytest.raises(RecipeError) as caught:
        make_cells(quick, "quick.yaml", axes(("train.epoch", "1;2"), ("solver", "lap;lag")))
    head, *lines = str(caught.value).splitlines()
    assert "4 of 4 cells" in head
    assert [line[:40] for line in lines] == [
        "epoch=1_solver=lap and 3 more: train.epo",
        "epoch=1_solver=lag and 1 more: solver: u",
    ]


WRONG = [
    (("train.epoch", "1;2"), "train.epoch: unknown key"),
    (("affinity.vertex.3.weight", "1"), "--grid 'affinity.vertex.3.weight=1': affinity.vertex.3 is no place"),
    (("solver", "lap;exhaustiv"), "did you mean 'exhaustive'"),
    (("estimator", "exact"), "zero gradients everywhere"),
    (("optimiser.learning_rate", "0.1;1e-1"), "are the same recipe"),
]


@pytest.mark.parametrize(("axis", "message"), WRONG)
def test_wrong_cells(quick: dict, axis: tuple[str, str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        make_cells(quick, "quick.yaml", axes(axis))
    assert message in str(caught.value)


def test_too_many_cells(quick: dict) -> None:
    values = ";".join(map(str, range(101)))
    with pytest.raises(RecipeError, match="10201 cells"):
        make_cells(quick, "quick.yaml", axes(("margin", values), ("train.epochs", values)))


def test_labels_tell_paths_apart() -> None:
    paths = ("train.batch", "affinity.vertex.0.weight", "affinity.vertex.1.weight", "views", "affinity.vertex.0")
    assert axis_labels([Axis(path, ()) for path in paths]) == [
        "batch",
        "vertex.0.weight",
        "vertex.1.weight",
        "views",
        "vertex.0",
    ]


def test_names_of_mappings() -> None:
    names = cell_names(axes(("solver", "{kind: lap};{kind: robust_tabu, starts: 4, iterations: 100}")))
    assert names[0] == "solver=kind-lap"
    assert re.fullmatch(r"solver=kind-robust_tabu-sta~[0-9a-f]{8}", names[1])


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5, unique=True), st.integers(1, 4))
def test_names_are_safe_and_distinct(values: list[str], number: int) -> None:
    grid = [Axis(f"train.setting{i}", tuple(values)) for i in range(number)]
    names = cell_names(grid)
    assert len({name.casefold() for name in names}) == len(values) ** number
    assert all(re.fullmatch(r"[A-Za-z0-9_.+=~-]{1,120}", name) for name in names)
    assert not any(name.startswith((".", "-")) for name in names)
    assert names == cell_names(grid)
