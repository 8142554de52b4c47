"""`gmssl.train` and `gmssl.Run`: the page runs as it stands; refusals and stops are those of the command."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import gmssl
from gmssl.errors import RecipeError, TrainingError
from gmssl.recipe.recipe import Recipe

ROOT = Path(__file__).parents[2]


def test_the_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    (tmp_path / "recipes").mkdir()
    shutil.copy(ROOT / "recipes" / "quickstart.yaml", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(block, names)
    shown = capsys.readouterr()
    assert "epoch 2/2" in shown.out
    assert shown.err == ""
    assert shown.out.endswith("torch.Size([1, 128])\n")
    run = names["run"]
    assert repr(run) == "Run('runs/notebook')"
    assert len(run.metrics["loss"]) == 2
    assert run.probe["epoch"] == [0, 2]
    again = gmssl.Run(tmp_path / "runs" / "notebook")
    assert (again.recipe, again.metrics["loss"]) == (run.recipe, run.metrics["loss"])
    assert gmssl.train(resume=run, quiet=True).metrics["loss"] == run.metrics["loss"]
    assert capsys.readouterr() == ("", "")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is no run folder"):
        gmssl.Run(tmp_path)
    with pytest.raises(TrainingError, match="is no run folder"):
        gmssl.train(resume=tmp_path)


def test_contradictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe is given"):
        gmssl.train()
    with pytest.raises(RecipeError, match="give one of them"):
        gmssl.train(out=tmp_path, resume=tmp_path)


def test_mappings_and_recipes_are_the_same_run(
    settings_of_a_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def remembered(recipe: Recipe, name: str, out: Path | None, *_: Any) -> Path:
        given.append((recipe, name, out))
        tmp_path.joinpath("recipe.yaml").write_text(recipe.dump())
        return tmp_path

    monkeypatch.setattr("gmssl.training.notebook.run_training", remembered)
    loaded = gmssl.load_recipe(settings_of_a_recipe)
    (tmp_path / "mine.yaml").write_text(loaded.dump())
    for recipe in (settings_of_a_recipe, loaded, str(tmp_path / "mine.yaml")):
        run = gmssl.train(recipe, ["train.epochs=7"], out=str(tmp_path / "out"))
        assert run.recipe.train.epochs == 7
    assert given[0][0] == given[1][0] == given[2][0]
    assert [name for _, name, _ in given] == ["recipe", "recipe", "mine"]
    assert given[0][2] == tmp_path / "out"
    assert loaded.train.epochs == 2


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_the_stop_button_is_an_interrupt(
    number: int, raised: type[BaseException], settings_of_a_recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> None:
        raise SystemExit(128 + number)

    monkeypatch.setattr("gmssl.training.notebook.run_training", stopped)
    with pytest.raises(raised):
        gmssl.train(settings_of_a_recipe)


def test_several_devices_in_a_notebook_are_refused(
    settings_of_a_recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    with pytest.raises(TrainingError, match="a notebook cannot start the other processes"):
        gmssl.train(settings_of_a_recipe, ["train.devices=2"])
