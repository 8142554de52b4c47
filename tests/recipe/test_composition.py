"""Parts that do not fit together, where only the built ones can tell."""

from __future__ import annotations

from typing import ClassVar

import pytest

from gmssl.errors import RecipeError
from gmssl.interfaces.encoder import Projector
from gmssl.lazy import torch
from gmssl.recipe.recipe import load_recipe
from gmssl.training.model import make_objective


class Halving(Projector):
    """A head of a plugin, without `widths`."""

    kind: ClassVar[str] = "halving"

    def build(self, channels: int) -> torch.nn.Module:
        head = torch.nn.Linear(channels, channels // 2)
        head.channels = channels // 2
        return head


def test_a_predictor_that_leaves_the_space_of_the_projector(settings_of_a_recipe: dict) -> None:
    settings_of_a_recipe["encoder"] |= {"channels": [8] * 4}
    recipe = load_recipe({**settings_of_a_recipe, "projector": Halving(), "predictor": Halving()})
    message = r"^recipe: predictor 'halving' gives 2 channels and projector 'halving' 4"
    with pytest.raises(RecipeError, match=message):
        make_objective(recipe)
    fitting = {"kind": "mlp", "widths": [4]}
    make_objective(load_recipe({**settings_of_a_recipe, "projector": Halving(), "predictor": fitting}))
