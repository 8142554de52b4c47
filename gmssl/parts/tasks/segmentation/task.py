"""Settings of segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Task
from gmssl.parts.tasks.masks.augmentation import Augmentation
from gmssl.parts.tasks.masks.fitting import Fit
from gmssl.parts.tasks.masks.reading import MOST_CLASSES, Grey

if TYPE_CHECKING:
    from gmssl.parts.tasks.segmentation.opened import OpenedSegmentation

Network: TypeAlias = Literal["unet", "unet++", "attention_unet", "dpt", "transunet"]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Segmentation(Task):
    """The class of each pixel of an image, learnt from masks, with a decoder on the pyramid of the encoder.

    Networks: `unet` and `unet++`; `attention_unet`, a U-Net with scSE attention in its decoder; `dpt`, which fuses the
    last four levels; `transunet`, a U-Net decoder from the last level with skips from convolutions on the image.

    Cases have the role `mask`, and may have `field_of_view` (what counts) and `second_observer` (a reference).
    """

    kind: ClassVar[str] = "segmentation"
    extra: ClassVar[str | None] = "seg"

    size: Annotated[int, Field(ge=32, multiple_of=32)] = Field(224, description="side of the images, in pixels")
    fit: Fit = Field("stretch", description="how images become squares: `stretch`, or `pad` with pixels left out")
    classes: dict[str, tuple[Grey, ...] | tuple[str, ...]] = Field(
        {}, description="class → grey values of the mask, or roles of its files; default: one, all other than zero"
    )
    threshold: Annotated[int, Field(ge=0, le=65534)] | None = Field(
        None, description="one class only: pixels of the mask above this are of it, where edges are soft"
    )
    network: Network = Field("unet", description="the decoder")
    decoder_channels: Annotated[tuple[Count, ...], Field(min_length=5, max_length=5)] = Field(
        (256, 128, 64, 32, 16), description="of its blocks from coarse to fine; `dpt` takes the first"
    )
    dice_weight: Weight = Field(1.0, description="of the Dice loss of a batch, mean over the classes")
    cross_entropy_weight: Weight = Field(1.0, description="of the cross-entropy, mean over pixels")
    augmentation: Augmentation = Field(Augmentation(), description="random changes of training examples")
    repeats: Count = Field(1, description="how often each image comes in an epoch, changed anew each time")
    tolerance: Weight = Field(2.0, description="of surface Dice, in pixels of the annotation")
    cache: Annotated[int, Field(ge=0)] = Field(
        512, description="MB of images on the grid that are kept in memory, in each process that reads"
    )

    @property
    def image_size(self) -> int:
        """Side of the images that the backbone sees."""
        return self.size

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that are scored; `foreground` where there is but one without a name."""
        return tuple(self.classes) or ("foreground",)

    @field_validator("classes", mode="before")
    @classmethod
    def _one_value_is_a_list_of_one(cls, classes: object) -> object:
        """Read `{lung: 255}` as `{lung: [255]}`."""
        if not isinstance(classes, dict):
            return classes
        return {name: [value] if isinstance(value, int | str) else value for name, value in classes.items()}

    @model_validator(mode="after")
    def _classes_can_be_told_apart(self) -> Segmentation:
        values = [value for listed in self.classes.values() for value in listed]
        if any(not listed for listed in self.classes.values()):
            raise ValueError("classes: each needs a grey value or a role; add it, or leave the class out")
        if len({type(value) for value in values}) > 1:
            raise ValueError("classes: give grey values or roles for all of them, not both")
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"classes: {', '.join(twice)} stands for two of them; leave it in one")
        if 0 in values:
            raise ValueError("classes: 0 is the background; leave it out")
        if len(self.classes) > MOST_CLASSES:
            raise ValueError(f"classes: {len(self.classes)} are too many; {MOST_CLASSES} is the limit")
        if self.threshold is not None and self.classes:
            raise ValueError("threshold is for masks of one class without a name; remove it, or classes")
        if self.network == "attention_unet" and min(self.decoder_channels) < 16:
            raise ValueError("decoder_channels: scSE attention needs 16 in each block; widen them, or use unet")
        if self.dice_weight == self.cross_entropy_weight == 0:
            raise ValueError("dice_weight and cross_entropy_weight are both 0; nothing would be learnt")
        return self

    def open(self, cases: Sequence[Case], channels: int) -> OpenedSegmentation:
        """Read all masks once, and say what is wrong with them.

        Raises:
            DataError: a case without a mask, one that cannot be read or has another size than its image, values of no
                class, a training set that is all background, or a library that is missing.
        """
        from gmssl.parts.tasks.segmentation.opened import opened

        return opened(self, cases, channels)
