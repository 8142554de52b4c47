"""Random changes of an image and its annotation: the same geometry for both, tones for the image alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from gmssl.interfaces.part import Settings
from gmssl.lazy import numpy
from gmssl.parts.tasks.masks.reading import UNCOUNTED

if TYPE_CHECKING:
    from PIL import Image

Share = Annotated[float, Field(ge=0, lt=1)]


class Augmentation(Settings):
    """What is drawn anew for each example."""

    flip: Literal["none", "horizontal", "both"] = Field(
        "horizontal", description="axes that are mirrored, each with probability 1/2"
    )
    quarter_turns: bool = Field(False, description="turn by 0, 90, 180 or 270 degrees")
    rotation: Annotated[float, Field(ge=0, le=180)] = Field(
        0.0, description="turn further by an angle between minus and plus this, in degrees"
    )
    scale: tuple[float, float] = Field((1.0, 1.0), description="bounds of the magnification, drawn on a log scale")
    shift: Share = Field(0.0, description="greatest shift along each axis, as a share of the side")
    brightness: Share = Field(0.0, description="tones are multiplied by 1 ± this at most")
    contrast: Share = Field(0.0, description="distances of tones from their mean are multiplied by 1 ± this at most")

    @field_validator("scale")
    @classmethod
    def _bounds_are_in_order(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"{list(scale)} are no bounds; give two positive numbers, the smaller one first")
        return scale

    def drawn(self, generator: numpy.random.Generator) -> Change:
        """One change; always the same count of random numbers, so that settings do not disturb each other."""
        numbers = generator.random(9)
        mirrored = [self.flip != "none" and numbers[0] < 0.5, self.flip == "both" and numbers[1] < 0.5]
        turns = int(numbers[2] * 4) if self.quarter_turns else 0
        low, high = (math.log(bound) for bound in self.scale)
        return Change(
            mirrored=(bool(mirrored[0]), bool(mirrored[1])),
            degrees=90.0 * turns + self.rotation * (2 * float(numbers[3]) - 1),
            scale=math.exp(low + (high - low) * float(numbers[4])),
            shift=(self.shift * (2 * float(numbers[5]) - 1), self.shift * (2 * float(numbers[6]) - 1)),
            brightness=1 + self.brightness * (2 * float(numbers[7]) - 1),
            contrast=1 + self.contrast * (2 * float(numbers[8]) - 1),
        )


@dataclass(frozen=True)
class Change:
    """A drawn change. Image and annotation are square and of one size.

    Attributes:
        mirrored: whether left and right, and whether top and bottom, are exchanged; this comes first.
        degrees: turned about the centre, counter-clockwise.
        scale: magnified about the centre.
        shift: moved to the right and down, as shares of the side.
        brightness, contrast: factors of the tones.
    """

    mirrored: tuple[bool, bool] = (False, False)
    degrees: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    brightness: float = 1.0
    contrast: float = 1.0

    def image(self, image: Image.Image) -> Image.Image:
        """The changed image, black where it does not reach."""
        from PIL import Image

        moved = self._moved(image, Image.Resampling.BILINEAR, 0)
        if self.brightness == self.contrast == 1:
            return moved
        centre = float(numpy.asarray(moved.convert("L")).mean()) * self.brightness
        tones = (numpy.arange(256) * self.brightness - centre) * self.contrast + centre
        return moved.point(numpy.clip(numpy.rint(tones), 0, 255).astype(int).tolist() * len(moved.getbands()))

    def labels(self, labels: numpy.ndarray) -> numpy.ndarray:
        """The changed labels `[S,S]`, `UNCOUNTED` where the image does not reach."""
        from PIL import Image

        return numpy.array(self._moved(Image.fromarray(labels), Image.Resampling.NEAREST, UNCOUNTED))

    def points(self, points: numpy.ndarray, side: int) -> numpy.ndarray:
        """Where points `[N,2]` of the image, as (x, y) in its pixels, are after the change."""
        offset = numpy.array([side / 2, side / 2])
        moved = (points - offset) @ self._forward().T
        return moved + offset + numpy.array(self.shift) * side

    def _forward(self) -> numpy.ndarray:
        """The linear part `[2,2]` from the image to the changed image, of (x, y) with y downward."""
        angle = math.radians(self.degrees)
        cosine, sine = math.cos(angle), math.sin(angle)
        turned = numpy.array([[cosine, sine], [-sine, cosine]]) * self.scale
        return turned @ numpy.diag([-1.0 if mirror else 1.0 for mirror in self.mirrored])

    def _moved(self, image: Image.Image, method: Image.Resampling, fill: int) -> Image.Image:
        from PIL import Image

        whole_turns = self.degrees % 90 == 0 and self.scale == 1 and self.shift == (0, 0)
        if whole_turns:  # pixels only change places
            values = numpy.asarray(image)
            values = values[:, ::-1] if self.mirrored[0] else values
            values = values[::-1] if self.mirrored[1] else values
            return Image.fromarray(numpy.ascontiguousarray(numpy.rot90(values, round(self.degrees / 90) % 4)))
        side = image.width
        linear = numpy.linalg.inv(self._forward())
        centre = numpy.array([side / 2, side / 2])
        offset = centre - linear @ (centre + numpy.array(self.shift) * side)
        data = (*linear[0].tolist(), float(offset[0]), *linear[1].tolist(), float(offset[1]))
        colour = fill if len(image.getbands()) == 1 else (fill,) * len(image.getbands())
        return image.transform(image.size, Image.Transform.AFFINE, data, method, fillcolor=colour)


UNCHANGED = Change()
