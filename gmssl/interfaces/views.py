"""Views: several augmented crops of an image, with the exact way back to its pixels.

Views are data before they are pixels: their parameters are drawn per image from (seed, epoch, index, copy, view), so
they do not depend on the number of workers or ranks. The loader applies the geometry on uint8; the training device
applies colour and blur to the whole batch.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gmssl.interfaces.part import Part
from gmssl.lazy import numpy, torch

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Draw:
    """Where the randomness of an image's views comes from; all four numbers must have an effect on them.

    Attributes:
        copy: how often the image has come in this epoch before; 0 unless a balance lets it come more than once.
    """

    seed: int
    epoch: int
    index: int
    copy: int = 0


@dataclass(frozen=True, eq=False)
class ImageViews:
    """Views of one image, as a loader's worker makes them.

    Attributes:
        crops: one uint8 array `[K,H,W]` a view; sizes may differ between views.
        affines: float64 `[V,2,3]`, from crop to original-image pixels: `(x, y) = A @ (u, v, 1)`, in continuous
            coordinates where pixel k covers [k, k+1). A flip is part of the matrix. For what `Balance.copied` made of
            an image, pixels of that.
        photometric: float32 `[V,Q]`, parameters of the colour changes that `Views.finish` applies.
    """

    crops: tuple[numpy.ndarray, ...]
    affines: numpy.ndarray
    photometric: numpy.ndarray


@dataclass(frozen=True, eq=False)
class ViewBatch:
    """Views of a batch of images.

    Attributes:
        images: one tensor `[B,K,H,W]` a view; uint8 from the loader, normalised float32 after `Views.finish`.
        affines: float32 `[V,B,2,3]`, see `ImageViews`.
        photometric: float32 `[V,B,Q]`.
        index: int64 `[B]`, positions of the images in the data set.
        unreadable: int64 `[B]`, index of the unreadable image whose place this one took, or −1.
    """

    images: tuple[torch.Tensor, ...]
    affines: torch.Tensor
    photometric: torch.Tensor
    index: torch.Tensor
    unreadable: torch.Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> ViewBatch:
        """The same batch on another device."""
        move = lambda x: x.to(device, non_blocking=non_blocking)  # noqa: E731
        return ViewBatch(
            tuple(move(x) for x in self.images),
            *(move(x) for x in (self.affines, self.photometric, self.index, self.unreadable)),
        )

    def pin_memory(self) -> ViewBatch:
        """A page-locked copy; torch's loader calls this."""
        return ViewBatch(
            tuple(x.pin_memory() for x in self.images),
            *(x.pin_memory() for x in (self.affines, self.photometric, self.index, self.unreadable)),
        )


class Views(Part):
    """Augmentations of an image and the view pairs that are matched."""

    slot: ClassVar[str] = "views"

    interpolation: ClassVar[str | None] = None
    """How crops are resized, in timm's words, to be told beside what pretrained weights saw; None where unknown."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """Side of each view's square crop, in pixels."""

    @property
    @abstractmethod
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The (left view, right view) pairs that are matched."""

    @abstractmethod
    def fault(self, channels: int) -> str | None:
        """Why images of this many channels cannot be augmented so, with the remedy; None if they can."""

    @abstractmethod
    def crop(self, image: Image.Image, draw: Draw) -> ImageViews:
        """Draw the parameters of all views and apply their geometry on uint8; runs on the CPU, in a loader's worker."""

    @abstractmethod
    def finish(self, batch: ViewBatch) -> ViewBatch:
        """Apply colour, blur and normalisation to a whole batch on its device, deterministically."""

    @abstractmethod
    def plain(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float32 images `[B,K,H,W]` from uint8 ones without augmentation, for probes and evaluations."""

    def awaiting(self) -> Self:
        """These views as they stand in a recipe whose encoder begins pretrained.

        Where their settings name no statistics for the normalisation, they wait for those of the encoder. Views
        without such settings stay as they are.
        """
        return self

    def adopting(self, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> Self:
        """These views with the statistics that they wait for, None for their usual ones; others stay as they are."""
        return self

    def statistics(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Mean and standard deviation of the normalisation, one number or one a channel; None if unknown or awaited."""
        return None
