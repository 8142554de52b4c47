"""Each fault of a recipe is one message, with its place and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gmssl.errors import RecipeError
from gmssl.objective.settings import MatchingSettings
from gmssl.recipe.recipe import load_recipe
from tests.recipe.changes import changed


def test_a_missing_recipe_names_the_recipes_there() -> None:
    with pytest.raises(RecipeError, match=r"recipes there: .*quickstart\.yaml"):
        load_recipe(Path(__file__).parents[2] / "recipes" / "quickstrt.yaml")


# One fault, one message: (path, value, what the message must hold).
FAULTS = [
    (("sede",), 1, ["sede", "unknown key (did you mean 'seed'?)", "protocol, data, balance, views", "correct"]),
    (("train", "epoch"), 1, ["train.epoch", "unknown key", "'epochs'", "epochs, batch"]),
    (("solver",), {"kind": "robust_tabu", "start": 3}, ["solver.start", "unknown key", "starts, iterations"]),
    (("train", "epochs"), "many", ["train.epochs", "integer", "'many'"]),
    (("train", "epochs"), 0, ["train.epochs", "greater than or equal to 1"]),
    (("margin",), float("nan"), ["margin", "finite"]),
    (("margin",), float("inf"), ["margin", "finite"]),
    (("seed",), -1, ["seed", "greater than or equal to 0"]),
    (("seed",), True, ["seed", "True is no number"]),
    (("train", "clip"), True, ["train.clip", "True is no number"]),
    (("estimator", "strength"), True, ["estimator.strength", "True is no number"]),
    (("solver",), "robust_tabo", ["solver", "did you mean 'robust_tabu'?", "lap", "gmssl.solvers"]),
    (("solver",), 3, ["solver", "not 3", "lap"]),
    (("solver",), {"starts": 3}, ["solver", "`kind` is missing", "robust_tabu"]),
    (("estimator", "noise"), "gumble", ["estimator.noise", "did you mean 'gumbel'?", "gaussian"]),
    (("estimator",), "exact", ["'exact'", "zero gradients everywhere", "imle", "row_softmax"]),
    (("solver",), "lap", ["affinity.edge", "'lap' does not read edge costs", "robust_tabu"]),
    (("graph",), "edgeless", ["affinity.edge", "'edgeless' has none", "knn"]),
    (("affinity", "vertex"), ["cosine_of_differences"], ["affinity", "vertex.0", "scores edge", "affinity.edge"]),
    (("affinity", "edge"), ["cosine"], ["affinity", "edge.0", "scores vertex", "affinity.vertex"]),
    (("affinity", "vertex"), [], ["affinity.vertex", "at least 1"]),
    (("affinity", "vertex"), "cosine", ["affinity.vertex", "a list is needed", "'cosine'"]),
    (("projector",), {"kind": "mlp", "widths": [0]}, ["projector.widths.0", "greater than or equal to 1"]),
    (("train",), 3, ["train", "a mapping of names to values is needed"]),
    (("vertices", "per_graph"), 16, ["per_graph", "16", "8 image", "train.batch"]),
    (("train", "devices"), 3, ["train", "batch 8 does not divide", "use 6 or 9"]),
    (("train", "devices"), 99, ["train", "batch 8 does not divide", "× 1; use 99"]),
    (("train", "nodes"), 2, ["train", "devices 1 do not divide by nodes 2"]),
    (("affinity",), {"vertex": ["nearest_patches"]}, ["no affinity reads the node embeddings", "cosine"]),
    (("predictor",), {"kind": "mlp", "widths": [64, 16]}, ["gives 16 channels", "32", "predictor.widths"]),
    (("data",), {"kind": "phantoms", "number": 99999999999}, ["data.number", "less than or equal to 2000000"]),
    (("data",), {"kind": "phantoms", "max_unreadable": -1}, ["data.max_unreadable", "greater than or equal to 0"]),
    (("probe",), {"data": "phantoms", "every": 0}, ["probe.every"]),
    (("views",), {"kind": "multi_crop", "mean": [0.1, 0.2]}, ["views", "mean has 2 numbers"]),
]


@pytest.mark.parametrize(
    ("path", "value", "parts"), FAULTS, ids=lambda x: ".".join(x) if isinstance(x, tuple) else None
)
def test_each_fault_is_one_clear_message(settings_of_a_recipe: dict, path: tuple, value: Any, parts: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(changed(settings_of_a_recipe, path, value))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("key", ["data", "solver", "affinity", "optimiser"])
def test_a_missing_part_is_named(settings_of_a_recipe: dict, key: str) -> None:
    del settings_of_a_recipe[key]
    with pytest.raises(RecipeError, match=rf"{key}: is missing; add it"):
        load_recipe(settings_of_a_recipe)


def test_all_faults_come_at_once(settings_of_a_recipe: dict) -> None:
    settings_of_a_recipe |= {"solver": "tabu", "loss": "haming", "sede": 1}
    with pytest.raises(RecipeError) as caught:
        load_recipe(settings_of_a_recipe)
    for place in ("solver:", "loss:", "sede:"):
        assert place in str(caught.value)


@pytest.mark.parametrize("text", ["seed: 1\nseed: 2", "train: {batch: 1, batch: 2}"])
def test_a_key_that_stands_twice(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="stands twice"):
        load_recipe(path)


def test_the_file_is_named_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 1", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"mine\.yaml"):
        load_recipe(path)


def test_predictors_are_as_wide_as_what_their_nodes_meet(settings_of_a_recipe: dict) -> None:
    narrow, wide = ({"kind": "mlp", "widths": [64, width]} for width in (16, 32))
    load_recipe({**settings_of_a_recipe, "predictor": wide})
    both = {"vertices": "both_views", "target": "swap", "affinity": {"vertex": ["cosine"]}, "solver": "lap"}
    recipe = {**settings_of_a_recipe, **both, "predictor": narrow}
    load_recipe(recipe)  # both sides are predicted
    with pytest.raises(RecipeError, match=r"gives 16 channels and projector 'mlp' 32"):
        load_recipe({**recipe, "message_passing": "gcn"})
    further = {key: settings_of_a_recipe[key] for key in MatchingSettings.model_fields if key in settings_of_a_recipe}
    with pytest.raises(RecipeError, match=r"further\.0: predictor 'mlp' gives 16 channels"):
        load_recipe({**settings_of_a_recipe, "further": [{**further, "predictor": narrow}]})


def test_views_and_encoder_agree_on_channels(settings_of_a_recipe: dict) -> None:
    settings_of_a_recipe["views"] = {"kind": "multi_crop", "std": [0.1, 0.2, 0.3]}
    load_recipe(settings_of_a_recipe)
    settings_of_a_recipe["encoder"]["in_channels"] = 1
    with pytest.raises(RecipeError, match=r"views\.std has 3 numbers, but images have 1 channel.*one a channel"):
        load_recipe(settings_of_a_recipe)
