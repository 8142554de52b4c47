"""Settings of segmentation that is prompted by boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from gmssl.interfaces.part import Settings
from gmssl.parts.tasks.masks.fitting import Fit
from gmssl.parts.tasks.masks.reading import Grey
from gmssl.parts.tasks.prompts.boxes import By

TINY = "tiny"
"""The model that is a small random network."""


class TinySam(Settings):
    """Sizes of a small random SAM, for tests and machines without weights."""

    width: int = Field(64, ge=8, description="channels of features, prompts and decoder")
    heads: int = Field(4, ge=1, description="attention heads of the decoder")
    encoder_width: int = Field(64, ge=8, description="channels of the image encoder")
    encoder_depth: int = Field(2, ge=1, description="layers of the image encoder; the last one sees the whole image")
    encoder_heads: int = Field(4, ge=1, description="attention heads of the image encoder")

    @model_validator(mode="after")
    def _heads_divide(self) -> TinySam:
        if self.width % (2 * self.heads) or self.encoder_width % self.encoder_heads:
            raise ValueError("heads must divide half of width, and encoder_heads encoder_width; change one of them")
        return self


class PromptSettings(Settings):
    """What `gmssl.parts.tasks.prompts.task.PromptedSegmentation` is set by; all modules of the task read it."""

    model: str = Field(
        "facebook/sam-vit-base",
        min_length=1,
        description="SAM: a folder of transformers, a checkpoint of SAM's authors, a name on the Hugging Face hub, or "
        "`tiny`, a small random network",
    )
    tiny: TinySam | None = Field(None, description="sizes of the small random network; of `model: tiny` only")
    encoder_weights: Path | None = Field(
        None,
        description="file with an image encoder of SAM's form (LVM-Med's ViT-B) in place of that of `model`; "
        "`--encoder own` only",
    )
    size: Annotated[int, Field(ge=32, le=4096)] = Field(
        1024, description="side of the square images in pixels, a multiple of 16; masks have a quarter of it"
    )
    classes: dict[str, tuple[Grey, ...] | tuple[str, ...]] = Field(
        {},
        description="class → grey values of the mask file, or roles of files; default: one class, which all pixels "
        "other than zero are of",
    )
    threshold: int | None = Field(
        None, ge=0, le=65534, description="pixels above it are of the class, where there is one"
    )
    fit: Fit = Field("stretch", description="`stretch` makes images square, `pad` keeps their shape")
    boxes: By = Field("class", description="a box around all of a class, or around each piece that hangs together")
    jitter: int = Field(
        20, ge=0, le=1024, description="sides of boxes move outwards by 0 … this many pixels of an image of 1024"
    )
    prompts: int = Field(1, ge=1, le=64, description="boxes of each image that an epoch learns from, drawn at random")
    trains: Literal["decoder", "nothing"] = Field("decoder", description="nothing: SAM as it is; `--encoder own` only")
    tolerance: float = Field(2.0, ge=0, description="pixels up to which surface Dice takes boundaries as equal")
    cache: float = Field(4.0, ge=0, description="GiB of memory for features of frozen encoders, one for each case")

    @field_validator("classes", mode="before")
    @classmethod
    def _one_value_is_a_list(cls, classes: object) -> object:
        if not isinstance(classes, dict):
            return classes
        return {name: value if isinstance(value, list | tuple) else (value,) for name, value in classes.items()}

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        if self.size % 16:
            raise ValueError(f"size {self.size} is no multiple of SAM's patches of 16 pixels; give a multiple")
        values = [value for listed in self.classes.values() for value in listed]
        if not all(self.classes.values()) or 0 in values or len({type(value) for value in values}) > 1:
            raise ValueError("classes: each needs grey values other than 0, or each needs roles of files; correct them")
        if len(set(values)) < len(values):
            raise ValueError("classes: a value stands for two of them; leave it in one")
        if self.threshold is not None and self.classes:
            raise ValueError("threshold is for masks of one class without a name; remove it, or classes")
        if self.tiny is not None and self.model != TINY:
            raise ValueError(f"`tiny` is for `model: {TINY}`, and model is {self.model!r}; remove one of them")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes; one that needs none is called `foreground`."""
        return tuple(self.classes) or ("foreground",)

    @property
    def tiny_sizes(self) -> TinySam:
        """Sizes of the small random network."""
        return self.tiny or TinySam()
