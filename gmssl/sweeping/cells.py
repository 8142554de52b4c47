"""Cells: the combinations of a grid's values, each a recipe that has been checked, with a name for its runs."""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmssl.errors import RecipeError
from gmssl.recipe.recipe import Recipe, apply_override, load_recipe
from gmssl.sweeping.axes import Axis

MOST = 10_000
"""Cells of a sweep; more are a slip, and checking them would take minutes."""

_LONGEST_VALUE, _LONGEST_NAME = 32, 120
_FAULTS = 8


@dataclass(frozen=True)
class Cell:
    """A combination of values.

    Attributes:
        name: of its runs, without the seed; safe in any file system, distinct within the grid.
        values: YAML texts, one for each axis.
        recipe: resolved, with seed 0.
    """

    name: str
    values: tuple[str, ...]
    recipe: Recipe

    def recipe_of(self, seed: int) -> Recipe:
        """The recipe of one run."""
        return self.recipe.model_copy(update={"seed": seed})


def make_cells(
    settings: Mapping[str, Any],
    source: str,
    axes: Sequence[Axis],
    named: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Cell, ...]:
    """All cells, the last axis varying fastest.

    Args:
        settings: of the recipe, without seed.
        source: of the settings, for messages.
        axes: of the grid.
        named: settings that take the place of the recipe's, by the values of the first axis; without any, the first
            axis is one of settings like the others.

    Raises:
        RecipeError: cells whose recipe does not load (all of them in one message), two that are the same recipe, or too
            many.
    """
    number = math.prod(len(axis.values) for axis in axes)
    if number > MOST:
        raise RecipeError(f"the grid has {number} cells; at most {MOST} are taken. Give fewer values.")
    names = cell_names(axes)
    cells: list[Cell] = []
    faults: dict[str, list[str]] = {}
    for name, values in zip(names, itertools.product(*(axis.values for axis in axes)), strict=True):
        try:
            cells.append(Cell(name, values, _recipe(settings, axes, values, named or {})))
        except RecipeError as error:
            for line in str(error).splitlines():  # cells share faults; each is told once
                faults.setdefault(line, []).append(name)
    if faults:
        raise RecipeError(_told(faults, source, number, number - len(cells)))
    _refuse_equal(cells)
    return tuple(cells)


def _told(faults: Mapping[str, Sequence[str]], source: str, number: int, wrong: int) -> str:
    lines = [f"{source}: {wrong} of {number} cells of the grid are no valid recipes; nothing was started."]
    for fault, names in list(faults.items())[:_FAULTS]:
        lines.append(f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {fault}")
    if len(faults) > _FAULTS:
        lines.append(f"and {len(faults) - _FAULTS} more faults")
    return "\n".join(lines)


def _recipe(
    settings: Mapping[str, Any], axes: Sequence[Axis], values: tuple[str, ...], named: Mapping[str, Mapping[str, Any]]
) -> Recipe:
    changed = copy.deepcopy(dict(named[values[0]] if named else settings))
    first = 1 if named else 0
    try:
        for axis, value in zip(axes[first:], values[first:], strict=True):
            apply_override(changed, f"{axis.path}={value}")
        return load_recipe({**changed, "seed": 0})
    except RecipeError as error:  # worded for --set, and for a file
        raise RecipeError(str(error).replace("--set", "--grid", 1).removeprefix("recipe:\n")) from None


def _refuse_equal(cells: Sequence[Cell]) -> None:
    first: dict[str, str] = {}
    for cell in cells:
        other = first.setdefault(cell.recipe.dump(), cell.name)
        if other != cell.name:
            raise RecipeError(
                f"the cells {other} and {cell.name} of the grid are the same recipe; remove a value, a variant "
                "or a recipe, or a --grid that another one overwrites."
            )


def cell_names(axes: Sequence[Axis], order: Sequence[str] = ()) -> list[str]:
    """`starts=4_loss=hamming` for each cell, in their order: the last keys of the paths, as many as tell them apart.

    Args:
        axes: of the grid.
        order: paths of all axes as they follow each other within a name; default: that of the axes.
    """
    paths = [axis.path for axis in axes]
    places = [paths.index(path) for path in order or paths]
    labels = axis_labels(axes)
    slugs = [[f"{label}={s}" for s in _slugs(axis.values)] for label, axis in zip(labels, axes, strict=True)]
    return [_short("_".join(parts[place] for place in places)) for parts in itertools.product(*slugs)]


def axis_labels(axes: Sequence[Axis]) -> list[str]:
    """The shortest endings of the paths that tell them apart, such as `starts` or `vertex.0.weight`."""
    keys = [axis.path.split(".") for axis in axes]
    labels = []
    for own in keys:
        for count in range(1, len(own) + 1):
            if own[-count].isdecimal() and count < len(own):
                continue  # a place in a list says nothing without the list
            if sum(other[-count:] == own[-count:] for other in keys) == 1:
                break
        labels.append(".".join(own[-count:]))
    return labels


def _slugs(values: Sequence[str]) -> list[str]:
    """Texts that file systems and shells take as they are, distinct also where case does not count."""
    plain = [re.sub(r"[^\w.+-]+", "-", value, flags=re.ASCII).strip("-_") for value in values]
    plain = [f"-{p}" if v.startswith("-") and p else p for p, v in zip(plain, values, strict=True)]
    folded = [p.casefold() for p in plain]
    return [
        p if p and len(p) <= _LONGEST_VALUE and folded.count(p.casefold()) == 1 else f"{p[:20]}~{_digest(value)}"
        for p, value in zip(plain, values, strict=True)
    ]


def _short(name: str) -> str:
    name = re.sub(r"[^\w.+=~-]+", "-", name, flags=re.ASCII)
    return name if len(name) <= _LONGEST_NAME else f"{name[:100]}~{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]
