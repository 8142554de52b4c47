"""Normalisation as pretrained weights expect it, which is the default, and sentences on what differs from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from gmssl.interfaces.encoder import Pretraining
from gmssl.interfaces.views import Views
from gmssl.objective.settings import ObjectiveSettings

R = TypeVar("R", bound=ObjectiveSettings)

_ROUNDING = 0.002
"""Smaller differences do not count, because statistics are published with two to eight digits."""


def resolved(recipe: R) -> R:
    """The recipe with the numbers of the normalisation filled in, if its views wait for those of the encoder.

    Run folders keep this recipe, so that nothing has to be looked up again when a run is evaluated.

    Raises:
        RecipeError: the encoder does not know its own weights.
    """
    if recipe.views.adopting(None, None) == recipe.views:
        return recipe
    pretraining = recipe.encoder.pretraining()
    mean, std = (None, None) if pretraining is None else (pretraining.mean, pretraining.std)
    return recipe.model_copy(update={"views": recipe.views.adopting(mean, std)})


def differences(views: Views, channels: int, pretraining: Pretraining) -> Iterator[str]:
    """A sentence on each setting of the views that is not what the weights were trained with."""
    own = views.statistics(channels)
    if own is None:
        return
    for name, given, expected in zip(("mean", "std"), own, (pretraining.mean, pretraining.std), strict=True):
        each = given * len(expected) if len(given) == 1 else given
        if any(abs(a - b) > _ROUNDING for a, b in zip(each, expected, strict=True)):
            yield (
                f"views.{name}: {_numbers(given)} is not what the pretrained weights expect: {pretraining.source} was "
                f"trained with {_numbers(expected)}. Set views.{name}: encoder, unless the weights are others."
            )


def _numbers(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers)
