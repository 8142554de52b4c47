"""What segmentation can be told."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from gmssl.interfaces.part import Settings
from gmssl.parts.tasks.masks.augmentation import Augmentation
from gmssl.parts.tasks.masks.fitting import Fit
from gmssl.parts.tasks.masks.reading import MOST_CLASSES, Grey

Network: TypeAlias = Literal["unet", "unet++", "attention_unet", "dpt", "transunet"]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=32, multiple_of=32)]


class SegmentationSettings(Settings):
    """The settings of the task `segmentation`, apart from the task, so that its pieces need not know it."""

    size: Side = Field(224, description="side of the images, in pixels")
    crop: Side | None = Field(None, description="side of random squares of the images that are learnt from")
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
    def _classes_can_be_told_apart(self) -> SegmentationSettings:
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
        if self.crop is not None and self.crop > self.size:
            raise ValueError(f"crop: {self.crop} is more than size, {self.size}; make it smaller, or remove it")
        if self.dice_weight == self.cross_entropy_weight == 0:
            raise ValueError("dice_weight and cross_entropy_weight are both 0; nothing would be learnt")
        return self
