"""What can be set of a classification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from gmssl.interfaces.part import Settings


class Augmentation(Settings):
    """Changes of a training image, drawn anew in each epoch."""

    scale: tuple[float, float] = Field(
        (1.0, 1.0),
        description="share of the area that a random crop keeps, at an aspect of 3:4 to 4:3; (1, 1): no crop",
    )
    flip: float = Field(0.0, ge=0, le=1, description="probability of a flip from left to right")
    rotation: float = Field(0.0, ge=0, le=180, description="largest rotation in degrees, either way")
    brightness: float = Field(0.0, ge=0, lt=1, description="largest change of brightness and contrast, as a share")

    @field_validator("scale")
    @classmethod
    def _the_range_is_one(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError(f"{scale} is no range of shares; use for example [0.5, 1.0]")
        return scale

    @property
    def none(self) -> bool:
        """Whether every epoch sees the same images."""
        return self.scale == (1.0, 1.0) and not (self.flip or self.rotation or self.brightness)


class ClassificationSettings(Settings):
    """Head, classes and training images."""

    size: int = Field(224, ge=16, description="side of the images in pixels; the whole image is resized to a square")
    classes: tuple[str, ...] = Field((), description="labels in their order; default: those that occur, sorted")
    grades: bool = Field(False, description="the classes are grades, in their order: score quadratic kappa")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), max_length=3, description="widths of the hidden layers of the head; none: a linear layer"
    )
    standardise: bool = Field(
        False, description="give the head features of mean 0 and deviation 1 (batch normalisation without weights)"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="before each layer of the head")
    balanced_loss: bool = Field(False, description="weigh classes by the inverse of their frequency")
    metric: Literal["accuracy", "balanced_accuracy", "auroc", "f1", "kappa"] = Field(
        "accuracy", description="what the best epoch is chosen by, and the main score"
    )
    augmentation: Augmentation = Augmentation()
