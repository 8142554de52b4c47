"""Balances: every image once, shares of groups, and copies of images of small groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from gmssl.errors import DataError
from gmssl.interfaces.balance import Balance, GroupingFact, Groups, Order
from gmssl.interfaces.part import nearest
from gmssl.interfaces.views import Draw
from gmssl.lazy import numpy, torch

if TYPE_CHECKING:
    from PIL import Image

BY = "what groups are made by; images of which it is not known are a group of their own, `unknown`"


class NoBalance(Balance):
    """Every image comes once in an epoch, in an order drawn anew from (seed, epoch)."""

    kind: ClassVar[str] = "none"

    def epoch(self, groups: Groups, length: int, seed: int, epoch: int) -> Order:
        """A permutation, cut to its first `length` images."""
        generator = torch.Generator(device="cpu").manual_seed(seed + epoch)
        order = torch.randperm(len(groups.of), generator=generator, dtype=torch.int64, device="cpu")[:length]
        return Order(order.numpy(), numpy.zeros(length, dtype=numpy.int64))


class Weights(Balance):
    """Groups have given shares of an epoch, exact up to rounding.

    The images of a group take turns: none comes for the second time before all have come once, over the whole run. An
    image that comes several times in an epoch has other views each time. Every stretch of an epoch has the groups in
    their shares, in an order drawn anew for each epoch.
    """

    kind: ClassVar[str] = "weights"

    by: GroupingFact = Field("modality", description=BY)
    rule: Literal["equal", "square_root", "given"] = Field(
        "equal",
        description="share of a group: equal for all, or proportional to the square root of its number of images, or "
        "to its number in `given`",
    )
    given: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="a number for each group, such as {ct: 2, mri: 1}; 0 leaves it out"
    )
    images: int | None = Field(None, ge=1, description="images in an epoch; none: as many as there are")

    @model_validator(mode="after")
    def _numbers_are_given_where_they_are_read(self) -> Weights:
        if self.rule == "given" and not any(self.given.values()):
            raise ValueError("rule `given` needs a number above 0; name the groups, as given: {ct: 2, mri: 1}")
        if self.rule != "given" and self.given:
            raise ValueError(f"rule {self.rule!r} does not read `given`; set rule: given, or remove the numbers")
        return self

    @property
    def fact(self) -> GroupingFact:
        """`by`."""
        return self.by

    def length(self, groups: Groups) -> int:
        """`images`, or as many as there are.

        Raises:
            DataError: `given` lacks a group, or names one that does not exist.
        """
        self._shares(groups)
        return self.images or len(groups.of)

    def epoch(self, groups: Groups, length: int, seed: int, epoch: int) -> Order:
        """See the class."""
        return stratified(groups, apportioned(self._shares(groups), length), seed, epoch)

    def _shares(self, groups: Groups) -> numpy.ndarray:
        """Positive numbers `[G]`, or zero for what is left out; only their ratios count."""
        if self.rule != "given":
            return numpy.sqrt(groups.sizes) if self.rule == "square_root" else numpy.ones(len(groups.names))
        strange = [name for name in self.given if name not in groups.names]
        lacking = [name for name in groups.names if name not in self.given]
        if strange:
            known = ", ".join(groups.names)
            raise DataError(
                f"balance.given: no image has the {self.by} {strange[0]!r}{nearest(strange[0], groups.names)}; there "
                f"are {known}. Correct the name, or remove it."
            )
        if lacking:
            raise DataError(
                f"balance.given: it says nothing of the {self.by} {', '.join(lacking)}; give each a number, 0 to leave "
                "it out."
            )
        return numpy.array([self.given[name] for name in groups.names], dtype=numpy.float64)


def _share(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 < pair[0] <= pair[1] <= 1:
        raise ValueError(f"a range of shares is (low, high) with 0 < low ≤ high ≤ 1, not {pair}; correct the numbers")
    return pair


class Duplicates(Balance):
    """Every image comes once in an epoch, and copies of images of smaller groups besides (LVM-Med, training).

    A copy is a random window of the image, resized to the size of the image; views are cut from that, as if it were an
    image of its own. The window has the shape of the image and `crop` of its area: the paper says "85–95 % of the
    image". Copies of an image differ, and from epoch to epoch. Within a group, images take turns in being copied.
    """

    kind: ClassVar[str] = "duplicates"

    by: GroupingFact = Field("modality", description=BY)
    to: float = Field(
        1.0, gt=0, le=1, description="size that smaller groups are brought to, as a share of the largest group's"
    )
    most: int | None = Field(None, ge=1, description="largest number of copies of one image in an epoch")
    crop: Annotated[tuple[float, float], AfterValidator(_share)] = Field(
        (0.85, 0.95), description="range of the share of the image's area that a copy shows"
    )

    @property
    def fact(self) -> GroupingFact:
        """`by`."""
        return self.by

    def length(self, groups: Groups) -> int:
        """All images and all copies."""
        return int(self._counts(groups).sum())

    def epoch(self, groups: Groups, length: int, seed: int, epoch: int) -> Order:
        """See the class; what does not fill a last optimiser step is left out, in each epoch another part."""
        order = stratified(groups, self._counts(groups), seed, epoch)
        return Order(order.index[:length], order.copy[:length])

    def _counts(self, groups: Groups) -> numpy.ndarray:
        """Images and copies of each group, int64 `[G]`."""
        sizes = groups.sizes
        counts = numpy.maximum(sizes, round(self.to * int(sizes.max())))
        return counts if self.most is None else numpy.minimum(counts, sizes * (1 + self.most))

    def copied(self, image: Image.Image, draw: Draw) -> Image.Image:
        """A window of the image, resized to its size, from a Philox stream of its own (seed, epoch, index, copy)."""
        from PIL.Image import Resampling

        key = numpy.array((draw.seed, draw.epoch), dtype=numpy.uint64)
        # No view has the greatest number there is, which stands here in the place of a view's.
        counter = numpy.array((0, draw.copy, 2**64 - 1, draw.index), dtype=numpy.uint64)
        area, x, y = numpy.random.Generator(numpy.random.Philox(key=key, counter=counter)).random(3).tolist()
        side = math.sqrt(self.crop[0] + (self.crop[1] - self.crop[0]) * area)
        left, top = (1 - side) * image.width * x, (1 - side) * image.height * y
        right, bottom = min(left + side * image.width, image.width), min(top + side * image.height, image.height)
        return image.resize(image.size, Resampling.BILINEAR, box=(left, top, right, bottom))


def apportioned(shares: numpy.ndarray, total: int) -> numpy.ndarray:
    """Whole numbers `[G]` that add up to `total`, each less than 1 from its exact share (Hamilton's method)."""
    exact = shares / shares.sum() * total
    counts = numpy.floor(exact).astype(numpy.int64)
    rest = numpy.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]
    counts[rest] += 1
    return counts


def stratified(groups: Groups, counts: numpy.ndarray, seed: int, epoch: int) -> Order:
    """An epoch with `counts[g]` images of group g, each group spread evenly over it.

    The images of a group stand in a circle, in an order drawn from the seed alone. Each epoch goes on where the former
    one has stopped, so that no image comes twice before all have come once, within epochs and over the run, and where
    an epoch begins is known without the epochs before. Within each round of the circle, the order is drawn anew.

    Args:
        groups: of N images.
        counts: int64 `[G]`.
        seed: of the run.
        epoch: from 0.
    """
    circles = numpy.random.default_rng((seed, _CIRCLES)).permutation(len(groups.of))
    circles = circles[numpy.argsort(groups.of[circles], kind="stable")]
    draws = numpy.random.default_rng((seed, _DRAWS, epoch))
    sizes, total = groups.sizes, int(counts.sum())
    group = numpy.repeat(numpy.arange(len(counts)), counts)
    place = numpy.arange(total) - (numpy.cumsum(counts) - counts)[group]
    starts = numpy.array([epoch * int(count) % int(size) for count, size in zip(counts, sizes, strict=True)])
    index = circles[(numpy.cumsum(sizes) - sizes)[group] + (starts[group] + place) % sizes[group]]
    copy = place // sizes[group]
    # Evenly spread, copies of an image are rarely in one batch, and no batch is without a group of some size.
    when = numpy.argsort((place + draws.random(total)) / counts[group], kind="stable")
    order = numpy.lexsort((draws.random(total), copy, group))[when]
    return Order(index[order], copy[order])


_CIRCLES, _DRAWS = 0x62616C, 0x616E63
"""What tells these streams of random numbers from others of the same seed."""
