"""Settings of the loggers, and what is said where a library of theirs is not installed; runs: tests/training."""

from __future__ import annotations

import importlib.util

import pytest

from gmssl.errors import RecipeError
from gmssl.interfaces.registry import kinds, part
from gmssl.parts import loggers
from gmssl.recipe.recipe import load_recipe


def test_old_recipes_log_to_tensorboard(settings_of_a_recipe: dict) -> None:
    recipe = load_recipe(settings_of_a_recipe)
    assert recipe.loggers == (part("logger", "tensorboard"),)
    assert "loggers:\n- kind: tensorboard\n" in recipe.dump()


def test_a_recipe_names_its_loggers(settings_of_a_recipe: dict) -> None:
    wandb = {"kind": "wandb", "project": "brains", "mode": "offline", "tags": ["a", "b"]}
    recipe = load_recipe({**settings_of_a_recipe, "loggers": ["tensorboard", wandb]})
    assert recipe.loggers == (part("logger", "tensorboard"), part("logger", **wandb))
    assert load_recipe({**settings_of_a_recipe, "loggers": []}).loggers == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["mlflow", {"kind": "mlflow", "experiment": "other"}], "loggers: mlflow stands twice; remove one"),
        (["wandbb"], "loggers.0: unknown logger kind 'wandbb' (did you mean 'wandb'?)"),
        ([{"kind": "wandb", "mode": "of"}], "loggers.0.mode"),
        ("wandb", "loggers: a list is needed"),
    ],
)
def test_what_no_recipe_may_name(settings_of_a_recipe: dict, given: object, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe({**settings_of_a_recipe, "loggers": given})
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", kinds("logger"))
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    kind: str, monkeypatch: pytest.MonkeyPatch, settings_of_a_recipe: dict
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    missing = part("logger", kind).missing()
    assert load_recipe({**settings_of_a_recipe, "loggers": [kind]})  # a run is read where nothing is logged
    if kind == "tensorboard":
        assert missing is None
    else:
        assert missing == f"needs the package {kind}, which is not installed; pip install 'gmssl[{kind}]'"


def test_mlflow_needs_a_database_only_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(loggers, "find_spec", lambda name: None if name == "sqlalchemy" else real("yaml"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "the package sqlalchemy" in part("logger", "mlflow").missing()
    assert part("logger", "mlflow", tracking_uri="http://server").missing() is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert part("logger", "mlflow").missing() is None


def test_passwords_are_not_shown() -> None:
    assert loggers._without_password("https://me:secret@host:5000/a") == "https://host:5000/a"
    assert loggers._without_password("https://host:5000/a") == "https://host:5000/a"
