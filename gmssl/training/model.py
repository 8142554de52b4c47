"""The model of a recipe, its weights a function of the seed alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.composition import unequal_widths
from gmssl.errors import RecipeError
from gmssl.lazy import torch
from gmssl.recipe import Recipe

if TYPE_CHECKING:
    from gmssl.interfaces.encoder import Encoder
    from gmssl.objective import MatchingObjective


def make_objective(recipe: Recipe) -> MatchingObjective:
    """Build the objective, and see that its encoder takes images of the sizes of the views.

    Raises:
        RecipeError: the encoder cannot be built, or does not take such images; or a predictor leaves the space of the
            projector, which a recipe can only tell of heads with `widths`.
    """
    from gmssl.training.quiet import quiet

    with quiet():
        from gmssl.objective import MatchingObjective

        torch.manual_seed(recipe.seed)
        objective = MatchingObjective(recipe)
        _refuse_other_spaces(recipe, objective)
        _try_encoder(recipe, objective.encoder)
    return objective


def _refuse_other_spaces(recipe: Recipe, objective: MatchingObjective) -> None:
    for (place, matching), matcher in zip(recipe.matchings, (objective, *objective.further), strict=True):
        heads = getattr(matcher, "predictor", None), getattr(matcher, "projector", None)
        fault = unequal_widths(matching, *(getattr(head, "channels", None) for head in heads))
        if fault:
            raise RecipeError(f"{place.removesuffix('.') or 'recipe'}: {fault}.")


def _try_encoder(recipe: Recipe, encoder: torch.nn.Module) -> None:
    """One blank image of each size; evaluation mode, so that statistics and generators stay as they were."""
    channels = recipe.encoder.in_channels
    encoder.eval()
    for size in sorted(set(recipe.views.sizes)):
        try:
            with torch.no_grad():
                encoder(recipe.views.plain(torch.zeros(1, channels, size, size, dtype=torch.uint8)))
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise RecipeError(
                f"encoder: {recipe.encoder.kind} does not take images of {size}×{size} pixels, as `views` cuts them: "
                f"{reason}. Change the sizes of the views, or the settings of the encoder: `gmssl parts show encoder "
                f"{recipe.encoder.kind}` lists them (transformers of timm have image_size and any_image_size)."
            ) from error
    encoder.train()


def without_weights(encoder: Encoder) -> Encoder:
    """The encoder as it is built from random weights: no download, no file to read; one that is missing stays named."""
    weights = getattr(encoder, "weights", None)
    there = isinstance(weights, Path) and weights.is_file()
    dropped = {"pretrained": False, **({"weights": None} if there else {})}
    return encoder.model_copy(update={name: v for name, v in dropped.items() if name in type(encoder).model_fields})


def try_building(encoder: Encoder) -> None:
    """Build an encoder without memory for its weights, so that the largest takes seconds.

    Raises:
        RecipeError: it cannot be built.
    """
    from gmssl.training.quiet import quiet

    with quiet():
        try:
            with torch.device("meta"):
                encoder.build()
        except Exception:
            encoder.build()  # a network may want to see its weights; it is refused for its own fault only
