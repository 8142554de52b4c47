"""What both tasks of volumes ask for: which files, which classes, and how they are scored."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from gmssl.interfaces.cases import IMAGE
from gmssl.interfaces.part import Settings
from gmssl.interfaces.reader import Reader, Window
from gmssl.interfaces.registry import field_of, part
from gmssl.parts.tasks.masks.reading import MASK, MOST_CLASSES, Grey

Axis: TypeAlias = Literal["acquired", "axial", "coronal", "sagittal"]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Roles = Annotated[tuple[str, ...], Field(min_length=1)]


class VolumeSettings(Settings):
    """Settings that the tasks of volumes share."""

    images: Roles = Field((IMAGE,), description="roles of the volumes that are looked at, on one grid")
    masks: Roles = Field((MASK,), description="roles of the mask; the first one that a case has is read")
    classes: dict[str, tuple[Grey, ...]] = Field(
        {}, description="class → values of the mask; default: one, all other than zero"
    )
    scored: tuple[str, ...] = Field((), description="classes that the scores are means of; default: all")
    reader: field_of(Reader) = Field(  # type: ignore[valid-type]
        default_factory=lambda: part("reader", "nifti"), description="what reads images and masks"
    )
    window: field_of(Window) = Field(  # type: ignore[valid-type]
        default_factory=lambda: part("window", "percentiles"),
        description="values of a whole volume that become black and white",
    )
    not_finite: Literal["refuse", "black"] = Field(
        "refuse", description="what becomes of images with values that are not finite"
    )
    axis: Axis = Field("acquired", description="what slices are cut across; acquired: the largest spacing")
    dice_weight: Weight = Field(1.0, description="of the Dice loss of a batch, mean over the classes")
    cross_entropy_weight: Weight = Field(1.0, description="of the cross-entropy")
    tolerance: Weight = Field(2.0, description="of surface Dice, in mm")
    metric: Literal["dice", "iou"] = Field("dice", description="the main score, which chooses the best epoch")

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that are learnt; `foreground` where there is but one without a name."""
        return tuple(self.classes) or ("foreground",)

    @property
    def scored_names(self) -> tuple[str, ...]:
        """The classes that are scored, in the order of the masks."""
        return tuple(name for name in self.names if not self.scored or name in self.scored)

    @field_validator("classes", mode="before")
    @classmethod
    def _one_value_is_a_list_of_one(cls, classes: object) -> object:
        """Read `{tumour: 1}` as `{tumour: [1]}`."""
        if not isinstance(classes, dict):
            return classes
        return {name: [value] if isinstance(value, int) else value for name, value in classes.items()}

    @model_validator(mode="after")
    def _classes_can_be_told_apart(self) -> VolumeSettings:
        values = [value for listed in self.classes.values() for value in listed]
        if any(not listed for listed in self.classes.values()):
            raise ValueError("classes: each needs a value of the mask; add it, or leave the class out")
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"classes: {', '.join(map(str, twice))} stands for two of them; leave it in one")
        if 0 in values:
            raise ValueError("classes: 0 is the background; leave it out")
        if len(self.classes) > MOST_CLASSES:
            raise ValueError(f"classes: {len(self.classes)} are too many; {MOST_CLASSES} is the limit")
        strange = [name for name in self.scored if name not in self.names]
        if strange:
            raise ValueError(f"scored: there is no class {', '.join(strange)}; there are {', '.join(self.names)}")
        if self.dice_weight == self.cross_entropy_weight == 0:
            raise ValueError("dice_weight and cross_entropy_weight are both 0; nothing would be learnt")
        if len(set(self.images)) < len(self.images):
            raise ValueError("images: a role is listed twice; leave it in once")
        return self
