"""The encoder of a finished (or stopped) run, and the untrained one it is compared with."""

from __future__ import annotations

from pathlib import Path

import torch

from gmssl.errors import RecipeError, TrainingError
from gmssl.interfaces.encoder import Encoder
from gmssl.parts.encoders.weights import UnfitError, read_weights
from gmssl.parts.encoders.weights import load_strictly as load_weights
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.recipe.statistics import ENCODER, RECIPE, resolved

CHECKPOINT = "last.ckpt"
_PREFIX = "objective.encoder.network."
_INITIAL_WEIGHTS = ("pretrained", "weights")
"""Fields that encoders with pretrained weights have; at their defaults the weights are random."""


def run_recipe(run: Path) -> Recipe:
    """The resolved recipe of a run.

    Raises:
        TrainingError: there is no run folder, or it has no recipe.
        RecipeError: a recipe that this version does not understand.
    """
    if not run.is_dir():
        raise TrainingError(f"there is no run folder {run}. Give the folder that `gmssl train` printed.")
    if not (run / RECIPE).is_file():
        files = ", ".join(sorted(p.name for p in run.iterdir())[:8]) or "nothing"
        raise TrainingError(
            f"{run} is no run folder: it holds {files}, but no {RECIPE}. Give the folder that `gmssl train` printed."
        )
    return resolved(load_recipe(run / RECIPE))


def trained(run: Path, recipe: Recipe) -> tuple[torch.nn.Module, str]:
    """The encoder with the run's weights, and the name of the file they came from.

    Raises:
        TrainingError: there are no weights, or the file is damaged, refused or of another encoder.
    """
    weights, source = _weights(run)
    encoder = build(random_weights(recipe.encoder), recipe.seed)
    load_strictly(encoder.get_submodule("network"), weights, run / source, f"the encoder of {run / RECIPE}")
    return encoder, source


def load_strictly(module: torch.nn.Module, weights: dict[str, torch.Tensor], file: Path, what: str) -> None:
    """Load weights that have exactly the module's keys and shapes; `what` names the module in the message.

    Raises:
        TrainingError: the weights are of another module.
    """
    try:
        load_weights(module, weights, str(file))
    except UnfitError as fault:
        raise TrainingError(
            f"{file} does not fit {what}: {fault}. Restore the recipe that the run was trained with."
        ) from None


def untrained(recipe: Recipe) -> tuple[torch.nn.Module, str]:
    """The encoder that the recipe starts from, and what that is, in words.

    A run from pretrained weights must beat those; if they cannot be had, random weights stand in and the words say so.
    """
    if random_weights(recipe.encoder) == recipe.encoder:
        return build(recipe.encoder, recipe.seed), f"random weights, seed {recipe.seed}"
    try:
        return build(recipe.encoder, recipe.seed), "the recipe's pretrained weights, not trained further"
    except RecipeError:
        words = f"random weights, seed {recipe.seed}: the recipe's pretrained weights cannot be had here"
        return build(random_weights(recipe.encoder), recipe.seed), words


def random_weights(encoder: Encoder) -> Encoder:
    """The same encoder, which begins with random weights instead of pretrained ones."""
    fields = type(encoder).model_fields
    return encoder.model_copy(update={name: fields[name].default for name in _INITIAL_WEIGHTS if name in fields})


def build(encoder: Encoder, seed: int) -> torch.nn.Module:
    """Build the encoder; random weights are those of the seed, and torch's own random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return encoder.build()


def _weights(run: Path) -> tuple[dict[str, torch.Tensor], str]:
    if (run / ENCODER).is_file():
        remedy = f"Remove it to evaluate {CHECKPOINT} instead."
        return _read(run / ENCODER, remedy), ENCODER
    if not (run / CHECKPOINT).is_file():
        raise TrainingError(
            f"{run} holds neither {ENCODER} nor {CHECKPOINT}: nothing was trained there yet. "
            f"Go on with `gmssl train --resume {run}`."
        )
    state = _read(run / CHECKPOINT, "Give a run of your own, or train this one anew.")
    # A checkpoint holds the teacher's encoder, too, under another prefix.
    weights = {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}
    if not weights:
        raise TrainingError(f"{run / CHECKPOINT} holds no encoder (no key starts with {_PREFIX}). Train the run anew.")
    return weights, CHECKPOINT


def _read(file: Path, remedy: str) -> dict[str, torch.Tensor]:
    try:
        return read_weights(file)
    except UnfitError as fault:
        raise TrainingError(f"{file} {str(fault).removeprefix('it ')}. {remedy}") from None
