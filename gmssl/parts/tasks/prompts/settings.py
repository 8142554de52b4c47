"""Settings of segmentation that is prompted by boxes."""

from __future__ import annotations

from pydantic import Field, model_validator

from gmssl.interfaces.part import Settings

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
