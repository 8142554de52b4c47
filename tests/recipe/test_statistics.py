"""Pretrained weights bring their own normalisation, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gmssl.errors import RecipeError
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.recipe.statistics import compared, differences, preparation, resolved


def recipe(settings: dict, encoder: dict, **views: object) -> Recipe:
    encoder = {"kind": "timm", "name": "tf_efficientnet_lite0", **encoder}
    return load_recipe({**settings, "encoder": encoder, "views": {"kind": "multi_crop", **views}})


@pytest.mark.parametrize(
    ("encoder", "mean", "std"),
    [
        ({"pretrained": True}, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ({"weights": "w.safetensors"}, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ({"pretrained": True, "in_channels": 1}, (0.5,), (0.5,)),
        ({"name": "resnet18", "pretrained": True}, None, None),  # ImageNet's stay unwritten
        ({"name": "resnet18", "pretrained": True, "in_channels": 1}, None, None),
    ],
)
def test_the_encoder_s_own_statistics_are_the_default(settings_of_a_recipe, encoder, mean, std) -> None:
    loaded = recipe(settings_of_a_recipe, encoder)
    again = load_recipe(yaml.safe_load(loaded.dump()))
    for one in (loaded, again):
        views = resolved(one).views
        assert (views.mean, views.std) == (mean, std)


def test_random_weights_and_old_runs_keep_imagenet_s(settings_of_a_recipe) -> None:
    random = recipe(settings_of_a_recipe, {})
    assert resolved(random) is random
    assert (random.views.mean, random.views.std) == (None, None)
    old = recipe(settings_of_a_recipe, {"pretrained": True}, mean=None, std=None)
    assert resolved(old) is old
    assert old.views.statistics(3) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_a_set_difference_is_told(settings_of_a_recipe) -> None:
    given = recipe(settings_of_a_recipe, {"pretrained": True}, mean=[0.485, 0.456, 0.406], std=[0.5])
    told = list(differences(given.views, 3, given.encoder.pretraining()))
    assert len(told) == 1
    assert "views.mean: 0.485, 0.456, 0.406 is not what the pretrained weights expect" in told[0]
    assert "0.5, 0.5, 0.5" in told[0]
    fitting = resolved(recipe(settings_of_a_recipe, {"pretrained": True}))
    assert not list(differences(fitting.views, 3, fitting.encoder.pretraining()))


@pytest.fixture
def exported(settings_of_a_recipe, tmp_path: Path) -> Path:
    """Weights beside the recipe of the run that exported them; what is in them does not matter here."""
    run = recipe(settings_of_a_recipe, {}, mean=[0.1, 0.2, 0.3], std=[0.4], large_size=48)
    (tmp_path / "recipe.yaml").write_text(resolved(run).dump())
    (tmp_path / "encoder.safetensors").touch()
    return tmp_path / "encoder.safetensors"


@pytest.mark.parametrize(("channels", "mean"), [(3, (0.1, 0.2, 0.3)), (1, (0.2,))])
def test_weights_of_a_run_bring_the_statistics_beside_them(settings_of_a_recipe, exported, channels, mean) -> None:
    encoder = {"weights": str(exported), "in_channels": channels}
    loaded = recipe(settings_of_a_recipe, encoder)
    views = resolved(loaded).views
    assert (views.mean, views.std) == (mean, (0.4,) * channels)
    known, told = compared(loaded.views, loaded.encoder)
    assert (known.source, known.size, told) == (f"the run {exported.parent}", 48, [])
    given = recipe(settings_of_a_recipe, encoder, mean=[0.5])
    assert resolved(given).views.mean == (0.5,), "what the recipe gives counts"
    (warning,) = compared(given.views, given.encoder)[1]
    assert f"{exported.parent} was trained with {', '.join(map(str, mean))}" in warning


def test_statistics_of_grey_spread_to_colours(settings_of_a_recipe, exported) -> None:
    grey = recipe(settings_of_a_recipe, {"in_channels": 1})
    (exported.parent / "recipe.yaml").write_text(grey.dump())
    views = resolved(recipe(settings_of_a_recipe, {"weights": str(exported)})).views
    assert views.statistics(3) == ((0.449,) * 3, (0.226,) * 3)


@pytest.mark.parametrize("change", ["other name", "no recipe", "a recipe that names the file itself"])
def test_weights_of_nobody_s_run_have_timm_s_statistics(settings_of_a_recipe, exported, change) -> None:
    loaded = recipe(settings_of_a_recipe, {"weights": str(exported)})
    if change == "other name":
        moved = exported.rename(exported.with_name("w.safetensors"))
        loaded = recipe(settings_of_a_recipe, {"weights": str(moved)})
    elif change == "no recipe":
        (exported.parent / "recipe.yaml").unlink()
    else:
        (exported.parent / "recipe.yaml").write_text(loaded.dump())
    assert resolved(loaded).views.mean == (0.5,) * 3


def test_a_recipe_beside_weights_that_cannot_be_read(settings_of_a_recipe, exported) -> None:
    (exported.parent / "recipe.yaml").write_text("solver: from_the_future")
    waiting = recipe(settings_of_a_recipe, {"weights": str(exported)})
    for ask in (resolved, lambda one: compared(one.views, one.encoder)):
        with pytest.raises(
            RecipeError, match=r"exported by a run whose recipe\.yaml.*cannot be read(.|\n)*copy the weights"
        ):
            ask(waiting)
    given = recipe(settings_of_a_recipe, {"weights": str(exported)}, mean=[0.5], std=[0.5])
    assert resolved(given) is given
    known, (warning,) = compared(given.views, given.encoder)
    assert known is None
    assert "cannot be told" in warning


def test_size_and_interpolation_are_named_where_they_differ(settings_of_a_recipe, exported) -> None:
    other = recipe(settings_of_a_recipe, {"pretrained": True}, large_size=64, small=2, small_size=32)
    assert preparation(other.views, other.encoder.pretraining()) == (
        "timm's tf_efficientnet_lite0.in1k: 224 px, bicubic; the views: 64/32 px, bilinear"
    )
    same = recipe(settings_of_a_recipe, {"weights": str(exported)}, large_size=48)
    known, _ = compared(same.views, same.encoder)
    assert preparation(same.views, known) == f"the run {exported.parent}: 48 px, bilinear"
