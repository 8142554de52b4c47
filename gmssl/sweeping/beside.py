"""Untrained encoders and raw pixels as lines of their own: cells that start from the same encoder share one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmssl.sweeping.axes import Axis
from gmssl.sweeping.cells import Cell, axis_labels

UNTRAINED = "untrained"

BySeed = Mapping[int, float]


@dataclass(frozen=True)
class Shared:
    """A line: its name, accuracies by seed, and the names of the cells that it is beside."""

    name: str
    by_seed: BySeed
    cells: frozenset[str]


def shared(axes: Sequence[Axis], cells: Sequence[Cell], features: str, by_cell: Mapping[str, BySeed]) -> list[Shared]:
    """A line for each encoder that cells start from; for pixels, one.

    Args:
        axes: of the grid.
        cells: of the grid.
        features: "untrained" or "pixels".
        by_cell: cell name → seed → what the features reach beside the runs of the cell.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if by_cell[cell.name]:
            groups.setdefault(_start(cell) if features == UNTRAINED else "", []).append(cell)
    means: list[tuple[list[Cell], BySeed]] = []
    for group in groups.values():
        own = _mean([by_cell[cell.name] for cell in group])
        same = next((at for at, (_, other) in enumerate(means) if _agree(own, other)), None)
        if same is None:
            means.append((group, own))
        else:
            means[same] = ([*means[same][0], *group], {**own, **means[same][1]})
    return [
        Shared(
            features if len(means) == 1 else f"{features}, {_told(axes, cells, group)}",
            own,
            frozenset(cell.name for cell in group),
        )
        for group, own in means
    ]


def _start(cell: Cell) -> str:
    """What decides the untrained encoder and how it sees images, as far as the recipe tells."""
    recipe = cell.recipe
    return repr([part.model_dump(mode="json") for part in (recipe.encoder, recipe.views)])


def _mean(values: Sequence[BySeed]) -> BySeed:
    """They are equal but for rounding, where each run judged them anew."""
    seeds = sorted({seed for each in values for seed in each})
    return {seed: statistics.fmean(each[seed] for each in values if seed in each) for seed in seeds}


def _agree(one: BySeed, other: BySeed) -> bool:
    common = one.keys() & other.keys()
    return bool(common) and all(math.isclose(one[seed], other[seed], abs_tol=1e-9) for seed in common)


def _told(axes: Sequence[Axis], cells: Sequence[Cell], group: Sequence[Cell]) -> str:
    """The settings that a group has and the others have not; else its first cell."""
    names = {cell.name for cell in group}
    words = []
    for at, label in enumerate(axis_labels(axes)):
        own = {cell.values[at] for cell in group}
        others = {cell.values[at] for cell in cells if cell.name not in names}
        if not own & others:
            words.append(f"{label}={'|'.join(sorted(own))}")
    return ", ".join(words[:1]) or f"{group[0].name}{' and others' if len(group) > 1 else ''}"
