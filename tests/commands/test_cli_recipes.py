"""Recipes by their names: listed, shown, copied, and taken wherever a recipe is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import gmssl
from gmssl.commands.program import app
from gmssl.recipe.library import shipped

RECIPES = Path(__file__).parents[2] / "recipes"

Run = Callable[..., Any]
Refusal = Callable[[Any, str], None]


def test_version_option(run: Run) -> None:
    done = run("--version")
    assert (done.exit_code, done.stdout) == (0, f"gmssl {gmssl.__version__}\n")


def test_list_has_each_file_with_its_sentence(run: Run) -> None:
    lines = {line.split()[0]: line for line in run("recipes", "list").stdout.splitlines() if line}
    for path in (*RECIPES.glob("*.yaml"), *RECIPES.glob("variants/*.yaml")):
        assert len(lines[path.stem].split()) > 5, path.stem
    assert lines["simclr_r18"].split(maxsplit=1)[1].strip() == (
        "SimCLR (Chen et al. 2020): each node of both views finds the other view of its image among all others."
    )


@pytest.mark.parametrize("name", ["quickstart", "methods_r18"])
def test_show_prints_the_file_with_its_comments(run: Run, name: str) -> None:
    (path,) = RECIPES.rglob(f"{name}.yaml")
    assert run("recipes", "show", name).stdout == path.read_text(encoding="utf-8")


def test_copy_makes_a_recipe_of_ones_own(run: Run, tmp_path: Path) -> None:
    assert run("recipes", "copy", "quickstart").stdout == "quickstart.yaml\n"
    assert (tmp_path / "quickstart.yaml").read_bytes() == (RECIPES / "quickstart.yaml").read_bytes()
    (tmp_path / "mine").mkdir()
    assert run("recipes", "copy", "quickstart", "mine").stdout == "mine/quickstart.yaml\n"
    assert run("recipes", "copy", "quickstart", "mine/other.yaml").stdout == "mine/other.yaml\n"
    assert run("check", "mine/other.yaml").exit_code == 0


def test_copy_overwrites_nothing(run: Run, tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "quickstart.yaml").write_text("mine")
    refusal(run("recipes", "copy", "quickstart"), "quickstart.yaml exists and is not overwritten")
    refusal(run("recipes", "copy", "quickstart", "."), "quickstart.yaml exists and is not overwritten")
    assert (tmp_path / "quickstart.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("recipes", "show", "quickstat"), "gmssl ships no recipe 'quickstat' (did you mean 'quickstart'?); it ships"),
        (("recipes", "copy", "quickstart", "no/such/folder/x.yaml"), "cannot be written: No such file or directory"),
        (("check", "simclr_r81"), "no recipe at simclr_r81; shipped with gmssl: simclr_r18, "),
        (
            ("check", "recipes/simclr_r18.yaml"),
            "no recipe at recipes/simclr_r18.yaml; shipped with gmssl: simclr_r18, ",
        ),
        (("train", "nothing_like_it"), "no recipe at nothing_like_it. Give the path of a YAML file, or a name that"),
        (("sweep", "simclr", "--grid", "seed=1"), "no recipe at simclr; shipped with gmssl: simclr_r"),
        (("sweep", "quickstart", "--variants", "method_r18"), "shipped with gmssl: methods_r18, methods_r50"),
        (("sweep", "quickstart", "--variants", "simclr_r18"), "no recipe at simclr_r18"),
    ],
)
def test_wrong_names(run: Run, refusal: Refusal, arguments: tuple[str, ...], said: str) -> None:
    refusal(run(*arguments), said)


def test_check_takes_each_shipped_recipe_by_name(run: Run) -> None:
    for file in shipped():
        if file.sort == "recipe":
            done = run("check", file.name)
            assert done.exit_code == 0, done.output
            assert done.stdout.splitlines()[-1] == f"{file.name} is a valid recipe."


def test_a_file_of_that_name_wins(run: Run, tmp_path: Path, settings_of_a_recipe: dict) -> None:
    (tmp_path / "quickstart").write_text(yaml.safe_dump(settings_of_a_recipe))
    assert "2 epochs of batches of 8" in run("check", "quickstart").output
    (tmp_path / "quickstart").unlink()
    (tmp_path / "quickstart").mkdir()  # as of `--out quickstart`; a folder is no recipe
    assert "8 epochs of batches of 128" in run("check", "quickstart").output


def test_the_python_door_takes_names() -> None:
    assert gmssl.load_recipe("quickstart") == gmssl.load_recipe(RECIPES / "quickstart.yaml")


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("gmssl train simclr_", ["simclr_r18", "simclr_r50"]),
        ("gmssl check quick", ["quickstart"]),
        ("gmssl sweep quickstart byol", ["byol_r18", "byol_r50"]),
        ("gmssl sweep quickstart --variants lad", ["ladder_r18"]),
        ("gmssl recipes copy ladder", ["ladder_r18"]),
        ("gmssl parts list enc", ["encoder"]),
        ("gmssl parts show solver lag", ["lagrange"]),
        ("gmssl parts show nothing l", []),
        ("gmssl parts check solver robust", ["robust_tabu"]),
        ("gmssl solve --solver lag", ["lagrange"]),
        ("gmssl data show BCC", ["BCCD"]),
        ("gmssl data verify ADNI", ["ADNI-1.5T", "ADNI-3T"]),
        ("gmssl train recipes/sim", []),  # then the shell completes names of files
    ],
)
def test_completion(line: str, some: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"_GMSSL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = CliRunner().invoke(app, [], prog_name="gmssl", env=words)
    assert done.stdout.split() == some
