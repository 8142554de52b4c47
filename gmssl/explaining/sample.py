"""Which images a report looks at, in which batches, and what they are grouped by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from gmssl.errors import DataError
from gmssl.evaluation.selection import Subset
from gmssl.interfaces.data import Images, Record
from gmssl.interfaces.registry import part
from gmssl.recipe.recipe import Recipe

if TYPE_CHECKING:
    from PIL import Image

Fact = Literal["modality", "dataset", "label"]
FACTS: tuple[Fact, ...] = ("modality", "dataset", "label")
NAMELESS = "not named"
HELD = 2**29
"""Bytes of decoded images that are kept in memory."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Images, batch after batch.

    Attributes:
        images: the M chosen ones, all readable; batch b holds images b·batch … (b + 1)·batch − 1.
        batch: images in one forward pass.
        groups: name of the group of each image, M.
        grouped_by: the fact that names them, or None if the data name none.
        listed: images that the source names.
        unreadable: images that were passed over because they cannot be read.
    """

    images: Images
    batch: int
    groups: tuple[str, ...]
    grouped_by: Fact | None
    listed: int
    unreadable: int

    @property
    def batches(self) -> range:
        """Number of the first image of each batch."""
        return range(0, len(self.images), self.batch)


def list_images(recipe: Recipe, given: Path | None) -> Images:
    """The images at a path, or else the recipe's own.

    Args:
        recipe: of the run.
        given: folder of images (class sub-folders are their labels), or CSV manifest.

    Raises:
        DataError: there are none; the message tells how to name others.
    """
    if given is None:
        try:
            return recipe.data.images()
        except DataError as error:
            raise DataError(
                f"{error} If the run's images have moved, name their folder or manifest: --data PATH."
            ) from None
    if given.suffix.lower() == ".csv" and not given.is_dir():
        source = part("data", "manifest", path=given)
    elif given.exists() and not given.is_dir():
        raise DataError(
            f"--data {given} is neither a folder nor a .csv file. Give a folder of images or a CSV manifest."
        )
    else:
        source = part("data", "folder", root=given)
    try:
        return source.images()
    except DataError as error:
        raise DataError(f"--data: {str(error).partition(': ')[2] or error}") from None


def choose(images: Images, recipe: Recipe, wanted: int, seed: int, group: Fact | None = None) -> Sample:
    """Draw images at random, as many whole batches as there are in `wanted` images, and one at least.

    Batches are as large as the run's forward passes, or as the images suffice for.

    Args:
        images: to draw from.
        recipe: of the run.
        wanted: images to look at.
        seed: of the draw.
        group: the fact to group by; None takes the first of `FACTS` that has two values, or else one.

    Raises:
        DataError: too few readable images for one graph, or no image names that fact.
    """
    fact = _grouping(images.records, group)
    channels = recipe.encoder.in_channels
    legal = _legal(recipe)
    _refuse_few(len(images), "", legal[0])
    limit = max(legal[0], min(wanted, len(images)))
    chosen: list[int] = []
    held = _Held(images)
    unreadable = 0
    for index in np.random.default_rng((seed, recipe.seed)).permutation(len(images)).tolist():
        if len(chosen) == limit:
            break
        try:
            held.load(index, channels)
        except DataError:
            unreadable += 1
        else:
            chosen.append(index)
    _refuse_few(len(chosen), "readable ", legal[0])
    batch = max(b for b in legal if b <= len(chosen))
    chosen = chosen[: len(chosen) // batch * batch]
    names = tuple((fact and getattr(images.records[i], fact)) or NAMELESS for i in chosen)
    groups = names if fact else ("all images",) * len(chosen)
    return Sample(Subset(held, chosen), batch, groups, fact, len(images), unreadable)


class _Held:
    """Images that stay decoded as far as `HELD` bytes suffice: every pass reads the same ones."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._held: dict[tuple[int, int], Image.Image] = {}
        self._left = HELD
        self.records = images.records

    def __len__(self) -> int:
        return len(self._images)

    def load(self, index: int, channels: int) -> Image.Image:
        """As `Images.load`."""
        if (index, channels) in self._held:
            return self._held[index, channels]
        image = self._images.load(index, channels)
        size = image.width * image.height * channels
        if size <= self._left:
            self._held[index, channels] = image
            self._left -= size
        return image


def images_of_a_graph(recipe: Recipe) -> int:
    """How many images a graph of the main problem is made of: some of a batch, all of it, or one."""
    if recipe.vertices.reads_maps:
        return 1
    between = math.gcd(*_legal(recipe))
    return between if between > 1 else recipe.train.batch_per_step


def _legal(recipe: Recipe) -> list[int]:
    """Sizes of batches of which no image is left out."""
    largest = recipe.train.batch_per_step
    return [b for b in range(1, largest + 1) if _fills(recipe, b)] or [largest]


def _fills(recipe: Recipe, batch: int) -> bool:
    """Whether batches of so many images can be arranged, and none is left out."""
    vertices = [matching.vertices for _, matching in recipe.matchings]
    return not any(v.fault(batch) or v.left_out(batch) for v in vertices)


def _refuse_few(images: int, what: str, needed: int) -> None:
    if images < needed:
        there = f"is 1 {what}image" if images == 1 else f"are {images} {what}images"
        raise DataError(
            f"data: there {there}, but one graph of this run needs {needed}. Add images, or name others: --data PATH."
        )


def _grouping(records: Sequence[Record], wanted: Fact | None) -> Fact | None:
    named = {fact: {getattr(record, fact) for record in records} - {None} for fact in FACTS}
    if wanted is not None:
        if not named[wanted]:
            there = ", ".join(fact for fact in FACTS if named[fact]) or "none of " + ", ".join(FACTS)
            raise DataError(
                f"--group {wanted}: no image names its {wanted}; the data name {there}. Choose among these."
            )
        return wanted
    several = [fact for fact in FACTS if len(named[fact]) > 1]
    return next(iter([*several, *(fact for fact in FACTS if named[fact])]), None)
