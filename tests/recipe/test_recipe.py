"""A recipe is one object: written, read again, and never changed."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from gmssl.errors import RecipeError
from gmssl.recipe.recipe import Recipe, load_recipe, read_recipe


def test_dump_and_load_agree(settings_of_a_recipe: dict, tmp_path: Path) -> None:
    recipe = load_recipe(settings_of_a_recipe)
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.dump(), encoding="utf-8")
    assert load_recipe(path) == recipe
    assert load_recipe(path).dump() == recipe.dump()


def test_dump_writes_every_default(settings_of_a_recipe: dict) -> None:
    dumped = yaml.safe_load(load_recipe(settings_of_a_recipe).dump())
    assert set(dumped) == set(Recipe.model_fields)
    assert dumped["solver"]["kind"] == "robust_tabu"
    assert dumped["estimator"]["noise"] == {"kind": "gumbel", "temperature": 0.3}
    assert dumped["train"]["log_every"] == Recipe.model_validate(settings_of_a_recipe).train.log_every


def test_parts_may_be_instances(settings_of_a_recipe: dict) -> None:
    import gmssl

    solver = gmssl.part("solver", "robust_tabu", starts=3)
    assert load_recipe({**settings_of_a_recipe, "solver": solver}).solver == solver
    with pytest.raises(RecipeError, match=r"the solver part .* stands where a part of the slot loss is needed"):
        load_recipe({**settings_of_a_recipe, "loss": solver})


def test_shipped_recipes_round_trip(shipped_recipe: str, tmp_path: Path) -> None:
    recipe = load_recipe(shipped_recipe)
    path = tmp_path / "again.yaml"
    path.write_text(recipe.dump(), encoding="utf-8")
    assert load_recipe(path) == recipe


def test_the_four_recipes_are_there() -> None:
    shipped = {p.stem for p in (Path(__file__).parents[2] / "recipes").glob("*.yaml")}
    assert shipped >= {"lvm_med_r50", "lvm_med_vit_b", "brain_tumor_r18", "quickstart"}


def test_reading_does_not_check(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("anything: 1", encoding="utf-8")
    assert read_recipe(path) == {"anything": 1}


def test_recipes_are_frozen(settings_of_a_recipe: dict) -> None:
    from pydantic import ValidationError

    recipe = load_recipe(settings_of_a_recipe)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        recipe.solver.starts = 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_read_once(tmp_path: Path, settings_of_a_recipe: dict[str, Any]) -> None:
    """As `cat recipe.yaml | gmssl check /dev/stdin` asks; what a pipe held is gone after it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(yaml.safe_dump(settings_of_a_recipe),), daemon=True)
    writer.start()
    assert load_recipe(pipe) == load_recipe(settings_of_a_recipe)
    writer.join(10)
    assert not writer.is_alive()
