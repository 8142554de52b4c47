"""Balance: which images an epoch consists of, how often each comes, and in which order."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from gmssl.interfaces.part import Part
from gmssl.interfaces.views import Draw
from gmssl.lazy import numpy

if TYPE_CHECKING:
    from PIL import Image

GroupingFact = Literal["modality", "dataset"]
"""What records know of an image that groups are made by."""


@dataclass(frozen=True, eq=False)
class Groups:
    """The images of a data set in groups.

    Attributes:
        names: of the groups, G different ones; each has an image.
        of: integers `[N]`, the number of each image's group.
    """

    names: tuple[str, ...]
    of: numpy.ndarray

    @property
    def sizes(self) -> numpy.ndarray:
        """Number of images in each group, int64 `[G]`."""
        return numpy.bincount(self.of, minlength=len(self.names))


@dataclass(frozen=True, eq=False)
class Order:
    """What comes in an epoch, in this order; an image that comes M times stands here M times.

    Attributes:
        index: int64 `[L]`, numbers of images.
        copy: int64 `[L]`, how often the image has come in this epoch before: 0 unless it comes more than once.
    """

    index: numpy.ndarray
    copy: numpy.ndarray


class Balance(Part):
    """Which images an epoch consists of.

    Ranks and resumed runs ask for an epoch each for itself, so it may depend on nothing but the arguments.
    """

    slot: ClassVar[str] = "balance"

    @property
    def fact(self) -> GroupingFact | None:
        """What groups are made by; None if all images are one group."""
        return None

    def length(self, groups: Groups) -> int:
        """How many images come in an epoch, copies included; the same in all epochs.

        Raises:
            DataError: the settings do not fit these groups.
        """
        return len(groups.of)

    @abstractmethod
    def epoch(self, groups: Groups, length: int, seed: int, epoch: int) -> Order:
        """The order of an epoch, cut to whole optimiser steps.

        Args:
            groups: of all images.
            length: number of images wanted, at most `self.length(groups)`.
            seed: of the run.
            epoch: from 0.
        """

    def copied(self, image: Image.Image, draw: Draw) -> Image.Image:
        """What stands for an image that came in this epoch before (`draw.copy` ≥ 1); its views are cut from this."""
        return image
