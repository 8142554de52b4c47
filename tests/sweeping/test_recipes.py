"""Several recipes are the first axis; one keeps the folder and the names it always had."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from gmssl.errors import RecipeError, TrainingError
from gmssl.sweeping.results import grids, sections
from gmssl.sweeping.run import Outcome, Plan, plan_sweep, run_sweep

RATES = "optimiser.learning_rate=0.25,0.5"
FIRST = "learning_rate=0.25"


@pytest.fixture
def recipes(quick: dict, tmp_path: Path) -> list[Path]:
    """Two methods: `imle.yaml`, and `relaxed.yaml`, whose estimator has no strength."""
    relaxed = {**quick, "solver": "row_softmax", "estimator": "exact", "loss": "likelihood"}
    paths = [tmp_path / "imle.yaml", tmp_path / "relaxed.yaml"]
    for path, settings in zip(paths, (quick, relaxed), strict=True):
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return paths


def test_recipes_are_the_first_axis(recipes: list[Path], program, tmp_path: Path) -> None:
    def run(files: list[Path], out: Path | None) -> tuple[Plan, Outcome]:
        plan = plan_sweep(files, [RATES], 2, ["knn"], out=out, overrides=["margin=0.5"])
        return plan, run_sweep(plan, Console(file=StringIO()))

    plan, outcome = run(recipes, tmp_path / "out")
    assert [cell.values for cell in plan.cells] == [
        (recipe, rate) for recipe in ("imle", "relaxed") for rate in ("0.25", "0.5")
    ]
    assert [Path(call[-1]).name for call in program.calls if call[0] == "train"][
        2
    ] == "recipe=relaxed_learning_rate=0.25_seed=0"
    assert {(c.values[0], c.recipe.estimator.kind, c.recipe.margin) for c in plan.cells} == {
        ("imle", "imle", 0.5),
        ("relaxed", "exact", 0.5),
    }
    table = grids(plan, sections(plan, outcome))[-1]
    assert table.headings[:2] == ("recipe", "learning_rate")
    assert [row[0] for row in table.rows] == ["imle", "imle", "relaxed", "relaxed", "untrained", "pixels"]
    program.calls.clear()
    assert (run(recipes, tmp_path / "out")[1], program.calls) == (outcome, [])
    backwards = run(recipes[::-1], tmp_path / "out")
    assert (backwards[1].values, program.calls) == (outcome.values, [])
    assert backwards[0].cells[0].values == ("relaxed", "0.25")
    with pytest.raises(TrainingError, match="its grid has recipe relaxed, imle, this one absent"):
        run(recipes[:1], tmp_path / "out")
    alone = plan_sweep(recipes, [], 1)
    assert [cell.name for cell in alone.cells] == ["recipe=imle", "recipe=relaxed"]
    assert alone.folder.root.name.startswith("imle+relaxed-")


def test_one_recipe_keeps_its_folder(quick_file: Path, tmp_path: Path) -> None:
    """Names and digests that sweeps in progress go on with: these were written before several recipes were possible."""
    plan = plan_sweep([quick_file], [RATES, "margin=0,0.5"], 2)
    assert plan.folder.root == Path("runs/sweeps/quick-d0d98e8e")
    assert [run.name for run in plan.runs][:2] == [f"{FIRST}_margin=0_seed=0", f"{FIRST}_margin=0.5_seed=0"]
    (tmp_path / "v.yaml").write_text("plain:\nfast: [optimiser.learning_rate=4]\n")
    assert plan_sweep([quick_file], [], 1, variants=tmp_path / "v.yaml").folder.root == Path("runs/sweeps/v-885cb569")


WRONG_RECIPES: list[tuple[Callable[[list[Path]], dict], str]] = [
    (lambda r: {"recipes": [*r, r[0].parent / "none.yaml"]}, "no recipe at"),
    (lambda r: {"recipes": [r[0], r[0]]}, "imle.yaml is given twice"),
    (lambda r: {"recipes": [r[0], copied(r[1], "imle.yaml")]}, "two recipes are called imle"),
    (lambda r: {"recipes": [r[0], copied(r[0], "same.yaml")]}, "recipe=imle and recipe=same of the grid are the same"),
    (lambda r: {"grid": ["estimator.strength=20,80"]}, "--grid estimator.strength suits imle, and not relaxed"),
    (lambda r: {"overrides": ["estimator.strength=20"]}, "--set estimator.strength suits imle, and not relaxed"),
    (lambda r: {"grid": ["train.epoch=1,2"]}, "4 of 4 cells"),
    (lambda r: {"overrides": ["seed=1"]}, "--seeds"),
    (lambda r: {"variants": r[0]}, "changes one recipe, and 2 are given"),
]


def copied(path: Path, name: str) -> Path:
    folder = path.parent / "copies"
    folder.mkdir()
    (folder / name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(("options", "message"), WRONG_RECIPES, ids=[message for _, message in WRONG_RECIPES])
def test_wrong_recipes(recipes: list[Path], options: Callable[[list[Path]], dict], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        plan_sweep(**{"recipes": recipes, "grid": [], "seeds": 1, **options(recipes)})
    assert message in str(caught.value)


def test_probes_of_recipes_must_agree(recipes: list[Path]) -> None:
    settings = yaml.safe_load(recipes[1].read_text())
    recipes[1].write_text(yaml.safe_dump({**settings, "probe": {"data": "phantoms"}}))
    with pytest.raises(RecipeError, match="--set probe=null"):
        plan_sweep(recipes, [], 1)
    plan_sweep(recipes, [], 1, overrides=["probe=null"])
