"""Normalisation as pretrained weights expect it, which is the default, and sentences on what differs from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from gmssl.errors import RecipeError
from gmssl.interfaces.encoder import Encoder, Pretraining, of_channels
from gmssl.interfaces.views import Views
from gmssl.objective.settings import ObjectiveSettings
from gmssl.recipe.recipe import Recipe, load_recipe

R = TypeVar("R", bound=ObjectiveSettings)

RECIPE, ENCODER = "recipe.yaml", "encoder.safetensors"
"""Files of a run folder: what was trained, and the weights that came of it."""

_ROUNDING = 0.002
"""Smaller differences do not count, because statistics are published with two to eight digits."""


class UnreadableRunError(RecipeError):
    """Weights lie beside the recipe of their run, which this version does not understand."""


def recipe_beside(weights: Path | None) -> Recipe | None:
    """The recipe of the run that exported a file of weights; None of any other file.

    Raises:
        UnreadableRunError: this version does not understand the recipe.
    """
    if weights is None or weights.name != ENCODER or not (weights.parent / RECIPE).is_file():
        return None
    try:
        return load_recipe(weights.parent / RECIPE)
    except RecipeError as fault:
        raise UnreadableRunError(
            f"{weights} was exported by a run whose {RECIPE}, beside it, says how images are normalised, and that "
            f"cannot be read: {fault} Correct it, or copy the weights elsewhere."
        ) from None


def pretraining(encoder: Encoder) -> Pretraining | None:
    """How images were prepared for the weights that training starts from; None where they are random, or unknown.

    Weights that a run exported were trained with the statistics in the `recipe.yaml` beside them; of all others the
    encoder knows.

    Raises:
        RecipeError: the encoder does not know its own weights, or the recipe beside them cannot be read.
    """
    given = getattr(encoder, "weights", None)
    weights = given if isinstance(given, Path) else None
    run = recipe_beside(weights)
    # Runs write numbers; a recipe that waits for its encoder was put there by hand, and may name this very file.
    own = None if run is None else run.views.statistics(run.encoder.in_channels)
    if weights is None or run is None or own is None:
        return encoder.pretraining()
    mean, std = (of_channels(numbers, encoder.in_channels) for numbers in own)
    return Pretraining(f"the run {weights.parent}", mean, std, run.views.sizes[0], run.views.interpolation)


def resolved(recipe: R) -> R:
    """The recipe with the numbers of the normalisation filled in, if its views wait for those of the encoder.

    Run folders keep this recipe, so that nothing has to be looked up again when a run is evaluated.

    Raises:
        RecipeError: as `pretraining`.
    """
    if recipe.views.adopting(None, None) == recipe.views:
        return recipe
    known = pretraining(recipe.encoder)
    mean, std = (None, None) if known is None else (known.mean, known.std)
    return recipe.model_copy(update={"views": recipe.views.adopting(mean, std)})


def compared(views: Views, encoder: Encoder) -> tuple[Pretraining | None, list[str]]:
    """How images were prepared for the encoder's weights, if that is known, and what the views contradict of it.

    Raises:
        RecipeError: as `pretraining`; a recipe beside the weights that cannot be read only where the views wait for it.
    """
    try:
        known = pretraining(encoder)
    except UnreadableRunError as fault:
        if views.statistics(encoder.in_channels) is None:
            raise
        return None, [f"views: whether mean and std are those of the weights cannot be told: {fault}"]
    if known is None:
        return None, []
    adopted = views.adopting(known.mean, known.std)
    return known, list(differences(adopted, encoder.in_channels, known))


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


def preparation(views: Views, pretraining: Pretraining) -> str:
    """Size and interpolation of the images that the weights were trained with, and those of the views if they differ.

    No warning: convolutions take every size, encoders of one size refuse others themselves, and views of one kind
    resize in one way.
    """
    sizes = tuple(dict.fromkeys(views.sizes))
    trained, here = (
        ", ".join(filter(None, ("/".join(map(str, each)) + " px", by)))
        for each, by in (((pretraining.size,), pretraining.interpolation), (sizes, views.interpolation))
    )
    return f"{pretraining.source}: {trained}" + (f"; the views: {here}" if here != trained else "")


def _numbers(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers)
