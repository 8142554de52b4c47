"""`gmssl data plan`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmssl.commands.common.options import Overrides, RecipePath, examples

if TYPE_CHECKING:
    from gmssl.interfaces.balance import Groups
    from gmssl.interfaces.data import Images
    from gmssl.recipe.recipe import Recipe
    from gmssl.system.grid import Grid

PLAN_EXAMPLES = examples(
    "gmssl data plan store lvm_med_r50 --set balance.to=0.5",
    "gmssl data plan my/index.csv quickstart --set balance=weights",
)


@dataclass(frozen=True)
class Row:
    """A group in an epoch.

    Attributes:
        group: its name.
        images: how many it has.
        per_epoch: how many of them come in an epoch, copies included.
        copies: how many of these came in the epoch before.
        share: of the epoch.
        per_step: mean number in one optimiser step.
    """

    group: str
    images: int
    per_epoch: int
    copies: int
    share: float
    per_step: float


@dataclass(frozen=True)
class EpochPlan:
    """What an epoch consists of.

    Attributes:
        by: what the groups are made by; None if images tell nothing.
        groups: in the order of their names.
        batch: images in one optimiser step.
        steps_per_epoch: optimiser steps in an epoch.
        epochs: as the recipe says.
        steps: optimiser steps in the whole run.
    """

    by: str | None
    groups: tuple[Row, ...]
    batch: int
    steps_per_epoch: int
    epochs: int
    steps: int


def plan(
    source: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="A store, a folder of images, or a CSV manifest; not the recipe's data."),
    ],
    recipe: RecipePath,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say how many images of each modality or dataset an epoch of a recipe has, and how many steps that makes."""
    from gmssl.commands.common.options import show
    from gmssl.recipe.recipe import load_recipe
    from gmssl.system.json_text import json_text

    found = planned(load_recipe(recipe, overrides or []), _listed(source))
    if as_json:
        typer.echo(json_text(asdict(found)))
    else:
        show([_grid(found)])


def planned(recipe: Recipe, images: Images) -> EpochPlan:
    """The first epoch of a recipe with these images; the others have the same numbers, up to the cut to whole steps.

    Raises:
        DataError: too few images, or they do not tell what the balance goes by.
    """
    import numpy

    from gmssl.parts.data.groups import grouped
    from gmssl.training.plan import count_steps

    groups = grouped(images, recipe.balance.fact)
    batch = recipe.train.batch
    steps_per_epoch, steps = count_steps(recipe, groups)
    length = steps_per_epoch * batch
    order = recipe.balance.epoch(groups, length, recipe.seed, 0)
    by, shown = (recipe.balance.fact, groups) if recipe.balance.fact else _telling(images)
    of = shown.of[order.index]
    numbers = numpy.bincount(of, minlength=len(shown.names)).tolist()
    copies = numpy.bincount(of[order.copy > 0], minlength=len(shown.names)).tolist()
    rows = (
        Row(name, size, number, copied, number / length, number / steps_per_epoch)
        for name, size, number, copied in zip(shown.names, shown.sizes.tolist(), numbers, copies, strict=True)
    )
    return EpochPlan(by, tuple(rows), batch, steps_per_epoch, recipe.train.epochs, steps)


def _telling(images: Images) -> tuple[str | None, Groups]:
    """The first fact that images tell, and the groups that it makes."""
    from contextlib import suppress
    from typing import get_args

    from gmssl.errors import DataError
    from gmssl.interfaces.balance import GroupingFact
    from gmssl.parts.data.groups import grouped

    for fact in get_args(GroupingFact):
        with suppress(DataError):
            return fact, grouped(images, fact)
    return None, grouped(images, None)


def _listed(source: Path) -> Images:
    from gmssl.evaluation.selection import list_source
    from gmssl.interfaces.registry import part
    from gmssl.parts.data.store import HEADER

    if (source / HEADER).is_file():
        images: Images = part("data", "store", path=source).images()
        return images
    return list_source(source)


def _grid(found: EpochPlan) -> Grid:
    from gmssl.system.grid import Grid

    every = Row(
        "all",
        sum(row.images for row in found.groups),
        found.steps_per_epoch * found.batch,
        sum(row.copies for row in found.groups),
        1.0,
        found.batch,
    )
    rows = found.groups if len(found.groups) == 1 else (*found.groups, every)
    note = f"\n{found.steps_per_epoch} steps of {found.batch} images an epoch; the whole run has {found.steps}."
    names = (found.by or "", "images", "per epoch", "copies", "share", "per step")
    return Grid("", names, [_cells(row) for row in rows], note, left=1)


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (str(row.images), str(row.per_epoch), str(row.copies))
    return (row.group, *numbers, f"{row.share:.1%}", f"{row.per_step:.1f}")
