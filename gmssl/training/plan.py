"""What can go wrong before a run starts, checked before anything is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmssl.errors import DataError, TrainingError
from gmssl.lazy import torch
from gmssl.parts.data.groups import grouped

if TYPE_CHECKING:
    from gmssl.interfaces.balance import Groups
    from gmssl.interfaces.data import Images
    from gmssl.recipe.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """The images and the numbers of steps of a run.

    Attributes:
        images: the training images.
        groups: of them, by what the recipe's balance goes by.
        probe: labelled images of the kNN probe, or None.
        steps_per_epoch: number of optimiser steps in an epoch, as long as the balance says; images that do not fill a
            last step are left out of that epoch (each epoch is shuffled anew), so every step has exactly `train.batch`
            images.
        steps: number of optimiser steps in the whole run.
        accelerator: "cpu" or "gpu".
    """

    images: Images
    groups: Groups
    probe: Images | None
    steps_per_epoch: int
    steps: int
    accelerator: str

    @property
    def epochs(self) -> int:
        """Number of epochs the run enters."""
        return math.ceil(self.steps / self.steps_per_epoch)


def make_plan(recipe: Recipe) -> Plan:
    """List the images and count the steps.

    Raises:
        DataError: there are no images, too few for a step or for the vertices, or a probe lacks two classes; or the
            images do not tell what the balance goes by.
        TrainingError: devices that this machine does not have, or a logger whose library is not installed.
    """
    refuse_missing_loggers(recipe)
    accelerator = _accelerator(recipe)
    images = recipe.data.images()
    refuse_shortage(recipe, len(images))
    groups = grouped(images, recipe.balance.fact)
    return Plan(images, groups, probe_images(recipe), *count_steps(recipe, groups), accelerator)


def count_steps(recipe: Recipe, groups: Groups) -> tuple[int, int]:
    """Number of optimiser steps in an epoch, and in the whole run.

    Raises:
        DataError: an epoch has too few images for a step, or the balance does not fit the groups.
    """
    steps_per_epoch = _steps_per_epoch(recipe, len(groups.of), recipe.balance.length(groups))
    steps = recipe.train.epochs * steps_per_epoch
    most = recipe.train.max_steps
    return steps_per_epoch, steps if most is None else min(steps, most)


def refuse_missing_loggers(recipe: Recipe) -> None:
    """Raise TrainingError if a logger needs a library that is not installed."""
    for number, logger in enumerate(recipe.loggers):
        missing = logger.missing()
        if missing:
            raise TrainingError(
                f"loggers.{number}: {logger.kind} {missing}. Or take it out of the recipe: --set loggers=[tensorboard]."
            )


def _accelerator(recipe: Recipe) -> str:
    wanted, devices = recipe.train.accelerator, recipe.train.devices // recipe.train.nodes
    there = torch.cuda.device_count() if wanted != "cpu" and torch.cuda.is_available() else 0
    if wanted == "cpu" or (wanted == "auto" and there == 0):
        return "cpu"
    if there < devices:
        raise TrainingError(
            f"train.devices asks for {devices} GPU(s) on each machine with train.accelerator {wanted!r}, but torch "
            f"{torch.__version__} sees {there}; set train.devices to at most {there * recipe.train.nodes}, train.nodes "
            "to the number of machines, or train.accelerator to cpu."
            if there
            else f"train.accelerator is 'gpu', but torch {torch.__version__} sees no GPU; set train.accelerator to "
            "cpu, or install a torch built for your GPU."
        )
    return "gpu"


def _steps_per_epoch(recipe: Recipe, images: int, length: int) -> int:
    batch = recipe.train.batch
    if length >= batch:
        return length // batch
    smaller = (
        length // (recipe.train.devices * recipe.train.accumulate) * recipe.train.devices * recipe.train.accumulate
    )
    remedy = (
        f"set train.batch to at most {smaller} (vertices.per_graph or partitions may have to go down with it), or add "
        "images"
        if smaller > 1
        else "add images: contrastive learning needs several in each step"
    )
    there = counted(images) if length == images else f"{counted(images)}, of which the balance takes {length} an epoch"
    raise DataError(f"data: {there}, but one optimiser step takes train.batch = {batch}; {remedy}.")


def refuse_shortage(recipe: Recipe, images: int) -> None:
    """Raise DataError if a problem of the recipe asks for more images."""
    for place, matching in recipe.matchings:
        shortage = matching.vertices.shortage(images)
        if shortage:
            raise DataError(f"data: {counted(images)}, and {place}{shortage}.")


def counted(images: int) -> str:
    """`there are 3 images`, for messages."""
    return "there is 1 image" if images == 1 else f"there are {images} images"


def probe_images(recipe: Recipe) -> Images | None:
    """The labelled images of the recipe's probe, or None.

    Raises:
        DataError: there are no images, or fewer than two classes.
    """
    if recipe.probe is None:
        return None
    try:
        images = recipe.probe.data.images()
    except DataError as error:  # sources say `data.root`, not knowing whose data they are
        raise DataError(f"probe: {error}") from None
    labels = {record.label for record in images.records} - {None}
    if len(labels) < 2:
        raise DataError(
            f"probe.data: {len(images)} images with {len(labels)} class(es); a kNN probe needs at least two. Sort the "
            "images into class sub-folders, name a manifest with a label column, or remove `probe` from the recipe."
        )
    return images
