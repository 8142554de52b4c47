"""A finished run with all of its trained weights: encoder, projector, message passing, prototypes, queue, teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gmssl.errors import TrainingError
from gmssl.evaluation.runs import CHECKPOINT, load_strictly, random_weights, run_recipe
from gmssl.interfaces.vertices import RemembersImages
from gmssl.objective.objective import MatchingObjective
from gmssl.recipe.recipe import Recipe
from gmssl.recipe.statistics import ENCODER

_PREFIX = "objective."


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run folder, read.

    Attributes:
        folder: the run folder.
        recipe: the run's resolved recipe.
        objective: the model with the weights of the last checkpoint.
        steps: optimiser steps that were done.
    """

    folder: Path
    recipe: Recipe
    objective: MatchingObjective
    steps: int


def open_run(folder: Path) -> TrainedRun:
    """Read a run and its last checkpoint; no code in it is run.

    Raises:
        TrainingError: no run folder, a run that is not finished, no checkpoint, a damaged one, or one of another model.
        RecipeError: a recipe that this version does not understand.
    """
    recipe = run_recipe(folder)
    _refuse_unfinished(folder)

    from gmssl.training.model import make_objective
    from gmssl.training.saved import read_checkpoint

    saved = read_checkpoint(folder / CHECKPOINT)
    weights = {
        key.removeprefix(_PREFIX): value
        for key, value in saved.get("state_dict", {}).items()
        if key.startswith(_PREFIX)
    }
    # Initial weights are overwritten below: pretrained ones would only have to be fetched.
    objective = make_objective(recipe.model_copy(update={"encoder": random_weights(recipe.encoder)}))
    load_strictly(objective, weights, folder / CHECKPOINT, "the recipe beside it")
    for module in objective.modules():
        if isinstance(module, RemembersImages):
            module.forget_images()  # the sample has its own numbers
    return TrainedRun(folder, recipe, objective, int(saved["global_step"]))


def _refuse_unfinished(folder: Path) -> None:
    checkpoint = folder / CHECKPOINT
    if checkpoint.is_file() and (folder / ENCODER).is_file():
        return
    if checkpoint.is_file():
        raise TrainingError(
            f"{folder} is not finished: it has no {ENCODER} yet. Go on with `gmssl train --resume {folder}`."
        )
    kept = sorted((folder / "checkpoints").glob("*.ckpt"))
    if kept:
        remedy = f"Kept checkpoints are there: copy {kept[-1]} to {checkpoint}."
    elif (folder / ENCODER).is_file():
        remedy = f"Copy {CHECKPOINT} back, or train anew; {ENCODER} holds the encoder alone, without its heads."
    else:
        remedy = f"Nothing was trained there yet: go on with `gmssl train --resume {folder}`."
    raise TrainingError(f"{folder} has no {CHECKPOINT}, which holds all trained weights. {remedy}")
