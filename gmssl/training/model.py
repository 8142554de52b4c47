"""The model of a recipe. Its weights and the randomness of each step depend on the seed alone."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from gmssl.errors import RecipeError
from gmssl.recipe.checks import unequal_widths
from gmssl.recipe.recipe import Recipe

if TYPE_CHECKING:
    from gmssl.interfaces.encoder import Encoder
    from gmssl.objective.objective import MatchingObjective


def reseed(seed: int, epoch: int, batch: int, rank: int, device: torch.device) -> torch.Generator:
    """A generator for one forward pass; torch's global one (dropout, stochastic depth) is seeded alike.

    The seeds are hashed (numpy's SeedSequence) from their origin, so that a resumed run draws what an uninterrupted
    one would have drawn, without any generator state in the checkpoint.
    """
    own, common = np.random.SeedSequence((seed, epoch, batch, rank)).generate_state(2, np.uint64).tolist()
    torch.manual_seed(common >> 1)
    generator = torch.Generator(device=device)
    generator.manual_seed(own >> 1)
    return generator


def make_objective(recipe: Recipe) -> MatchingObjective:
    """Build the objective, and see that its encoder takes images of the sizes of the views.

    Raises:
        RecipeError: the encoder cannot be built, or does not take such images; or a predictor leaves the space of the
            projector, which a recipe only tells of heads that know their `width`.
    """
    from gmssl.training.quiet import quiet

    with quiet():
        from gmssl.objective.objective import MatchingObjective

        torch.manual_seed(recipe.seed)
        objective = MatchingObjective(recipe)
        _refuse_other_spaces(recipe, objective)
        _try_encoder(recipe, objective.encoder)
    return objective


def _refuse_other_spaces(recipe: Recipe, objective: MatchingObjective) -> None:
    for (place, matching), matcher in zip(recipe.matchings, objective.matchers, strict=True):
        widths = (getattr(head, "channels", None) for head in (matcher.predictor, matcher.projector))
        fault = unequal_widths(matching, *widths)
        if fault:
            raise RecipeError(f"{place.removesuffix('.') or 'recipe'}: {fault}.")


def _try_encoder(recipe: Recipe, encoder: torch.nn.Module) -> None:
    """Try one blank image of each size, in evaluation mode, so that statistics and generators stay as they were."""
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


def try_building(encoder: Encoder) -> torch.nn.Module:
    """Build an encoder without memory for its weights, so that the largest takes seconds; a file of weights is read.

    Raises:
        RecipeError: the encoder cannot be built.
    """
    from gmssl.training.quiet import quiet

    with quiet():
        try:
            with torch.device("meta"), warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*to a meta parameter")  # torch: copying there does nothing
                return encoder.build()
        except Exception:
            return encoder.build()  # a network may want to see its weights; it is refused for its own fault only
