"""Pretrained weights bring their own normalisation, and nothing else changes."""

from __future__ import annotations

import pytest
import yaml

from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.recipe.statistics import differences, resolved


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
