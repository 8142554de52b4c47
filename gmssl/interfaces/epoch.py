"""A hook before each epoch, for parts that compute something from the whole data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gmssl.interfaces.vertices import Encoding


@dataclass(frozen=True, eq=False)
class Epoch:
    """The epoch that begins.

    Attributes:
        number: number of the epoch, from 0.
        images: size of the data set; every `Encoding.index` is below it.
        seed: seed of the random numbers of this epoch that all ranks share.
        pairs: the (left view, right view) that are matched.
        encodings: a pass over the whole data set, without gradient and in training mode: views of this rank's share of
            all images, as the heads of the part's own problem see them, up to the last right view. All ranks get
            equally many batches of equal size; some images come twice.
    """

    number: int
    images: int
    seed: int
    pairs: tuple[tuple[int, int], ...]
    encodings: Callable[[], Iterator[Encoding]]


@runtime_checkable
class RemembersImages(Protocol):
    """A module of any part that knows images by their number in the training data has this method."""

    def forget_images(self) -> None:
        """Forget the numbers, because other images follow; what was learnt stays."""
        ...


@runtime_checkable
class BeginsEpochs(Protocol):
    """A module of any part that has this method is told of each epoch before its first step.

    A run that is resumed within an epoch goes on without it: what the method prepares must be in the module's
    `state_dict`.
    """

    def begin_epoch(self, epoch: Epoch) -> None:
        """Prepare for the epoch; it is called on all ranks."""
        ...
