"""Faults are told before anything is written, and a sweep knows its own folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gmssl.errors import DataError, GmsslError, RecipeError, TrainingError
from gmssl.sweeping.run import Outcome, Plan, plan_sweep

RATES = "optimiser.learning_rate=0.25,0.5"
FIRST, SECOND = "learning_rate=0.25", "learning_rate=0.5"

Sweep = Callable[..., tuple[Plan, Outcome]]
Labelled = Callable[..., Path]
Given = Callable[[Path, Labelled], dict]


def test_the_default_folder_is_that_of_recipe_and_grid(quick_file: Path) -> None:
    roots = [
        plan_sweep([quick_file], [RATES], 2).folder.root,
        plan_sweep([quick_file], [RATES], 5, evaluate=["knn"]).folder.root,
        plan_sweep([quick_file], [RATES], 2, overrides=["margin=1"]).folder.root,
        plan_sweep([quick_file], ["optimiser.learning_rate=0.25"], 2).folder.root,
    ]
    assert roots[0] == roots[1]
    assert len(set(roots)) == 3
    assert roots[0].parent == Path("runs/sweeps")
    assert roots[0].name.startswith("quick-")


def test_other_sweeps_keep_their_folder(sweep: Sweep, labelled: Labelled, tmp_path: Path) -> None:
    sweep(evaluate=["knn"])
    data = labelled(tmp_path / "data", 2)
    wrong: list[tuple[dict, str]] = [
        ({"grid": "optimiser.learning_rate=0.25"}, "its grid has optimiser.learning_rate.1 0.5, this one absent"),
        ({"grid": "margin=1"}, "belongs to another sweep: its grid"),
        ({"overrides": ["margin=1"]}, "its recipe has margin absent, this one 1"),
        ({"evaluate": ["knn"], "data": [str(data)]}, "was evaluated on the images of the recipe, not on"),
    ]
    for options, message in wrong:
        with pytest.raises(TrainingError) as caught:
            sweep(**options)
        assert message in str(caught.value)


def test_a_run_of_another_recipe_is_not_reported(sweep: Sweep, tmp_path: Path) -> None:
    sweep()
    path = tmp_path / "out" / "runs" / f"{FIRST}_seed=1" / "recipe.yaml"
    path.write_text(path.read_text().replace("margin: 0.0", "margin: 0.5"))
    with pytest.raises(TrainingError, match=r"is a run of another recipe: it has margin 0.5, this one 0.0"):
        sweep()


def used(folder: Path) -> Path:
    folder.mkdir()
    (folder / "thesis.txt").touch()
    return folder


WRONG: list[tuple[Given, type[GmsslError], str]] = [
    (lambda _, __: {"overrides": ["seed=4"]}, RecipeError, "--seeds"),
    (lambda _, __: {"overrides": ["margin=x"]}, RecipeError, "margin"),
    (lambda _, __: {"grid": "data.number=30,4"}, DataError, "number=4: data: there are 4 images"),
    (lambda _, __: {"grid": "data.number=30,40", "evaluate": ["knn"]}, RecipeError, "different test sets"),
    (lambda p, make: {"data": [str(make(p / "d", 2))]}, DataError, "add --evaluate"),
    (lambda p, make: {"data": [str(p / "none")], "evaluate": ["knn"]}, DataError, "there is no folder"),
    (lambda p, make: {"data": [str(make(p / "d", 1))], "evaluate": ["knn"]}, DataError, "needs two classes"),
    (
        lambda p, make: {"data": [str(make(p / "d", 1) / "class0")], "evaluate": ["knn"]},
        DataError,
        "no image bears a label",
    ),
    (
        lambda p, make: {"data": [str(make(p / "d", 2, 2))], "evaluate": ["knn"]},
        DataError,
        "split into 5 folds",
    ),
    (lambda _, __: {"folds": 3}, DataError, "add --evaluate"),
    (lambda p, make: {"tests": [str(p)]}, DataError, "add --evaluate"),
    (
        lambda p, make: {
            "evaluate": ["knn"],
            "data": [str(make(p / "d", 2))],
            "tests": [str(make(p / "t", 3))],
        },
        DataError,
        "bear the label 'class2'",
    ),
    (lambda _, __: {"evaluate": ["knn"], "tests": ["none"]}, DataError, "there is no folder"),
    (
        lambda p, make: {"data": [str(make(p / "d", 2))], "evaluate": ["knn"], "folds": 9},
        DataError,
        "into 9 folds",
    ),
    (lambda p, make: {"out": used(p / "used")}, TrainingError, "holds thesis.txt, and no sweep"),
    (lambda p, make: {"out": used(p / "used") / "thesis.txt"}, TrainingError, "is a file"),
    (
        lambda p, make: {"out": used(p / "used") / "thesis.txt" / "sub"},
        TrainingError,
        "sub cannot be made (Not a directory)",
    ),
    (lambda _, __: {"grid": "encoder.name=resnet18,resnetty"}, RecipeError, "name=resnetty: encoder.name: timm"),
    (
        lambda _, __: {"grid": "encoder.name=vit_tiny_patch16_224"},
        RecipeError,
        "vit_tiny_patch16_224 takes no channels",
    ),
    (lambda _, __: {"grid": "encoder.weights=none.pth"}, RecipeError, "encoder.weights: no file none.pth"),
    (
        lambda _, __: {"grid": "probe.folds=2,3", "overrides": ["probe={data: phantoms}"]},
        RecipeError,
        "take `probe` out of the grid",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_faults_are_told_before_anything_is_written(
    sweep: Sweep,
    program,
    labelled: Labelled,
    tmp_path: Path,
    options: Callable[[Path, Labelled], dict],
    error: type[GmsslError],
    message: str,
) -> None:
    given = options(tmp_path, labelled)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        sweep(**given)
    assert message in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert program.calls == []
