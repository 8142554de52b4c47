"""How images of any size come onto the square grid of a network, and predictions back from it.

Positions are continuous: pixel (0, 0) covers [0, 1) × [0, 1), so that no resizing shifts anything by a part of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from gmssl.lazy import numpy, torch
from gmssl.parts.tasks.masks.reading import BACKGROUND, UNCOUNTED

if TYPE_CHECKING:
    from PIL import Image

Fit: TypeAlias = Literal["stretch", "pad"]
"""`stretch` makes the image a square; `pad` keeps its shape, and fills the rest with pixels that do not count."""


@dataclass(frozen=True)
class Fitted:
    """The place of an image on the grid of a network.

    Attributes:
        side: of the grid, in its pixels.
        own: height and width of the image itself.
        inner: height and width that it has on the grid.
        corner: row and column of its first pixel on the grid.
    """

    side: int
    own: tuple[int, int]
    inner: tuple[int, int]
    corner: tuple[int, int]

    @classmethod
    def of(cls, own: tuple[int, int], side: int, fit: Fit) -> Fitted:
        """Lay an image of `own` = (height, width) onto a grid of `side` × `side` pixels."""
        if fit == "stretch":
            return cls(side, own, (side, side), (0, 0))
        height, width = (max(1, round(length * side / max(own))) for length in own)
        return cls(side, own, (height, width), ((side - height) // 2, (side - width) // 2))

    def image(self, image: Image.Image) -> Image.Image:
        """The image on the grid, smoothed where it shrinks, black where it is not."""
        from PIL import Image

        inner = image.resize(self.inner[::-1], Image.Resampling.BILINEAR)
        if self.inner == (self.side, self.side):
            return inner
        whole = Image.new(image.mode, (self.side, self.side))
        whole.paste(inner, self.corner[::-1])
        return whole

    def labels(self, labels: numpy.ndarray, counted: numpy.ndarray | None = None) -> numpy.ndarray:
        """Labels `[H,W]` on the grid `[side,side]`, `UNCOUNTED` where the image is not or does not count.

        A pixel of the grid has the label that most of it is covered by.
        """
        whole = numpy.full((self.side, self.side), UNCOUNTED, numpy.uint8)
        inner = self._most(labels)
        if counted is not None:
            inner = numpy.where(self._share(counted) > 127, inner, UNCOUNTED)
        (top, left), (height, width) = self.corner, self.inner
        whole[top : top + height, left : left + width] = inner
        return whole

    def back(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores `[C,side,side]` of classes as `[C,H,W]` on the image's own grid."""
        (top, left), (height, width) = self.corner, self.inner
        inner = scores[None, :, top : top + height, left : left + width].float()
        smaller = self.own[0] < height or self.own[1] < width
        return torch.nn.functional.interpolate(inner, self.own, mode="bilinear", antialias=smaller)[0]

    def _most(self, labels: numpy.ndarray) -> numpy.ndarray:
        if self.own == self.inner:
            return labels
        present = numpy.unique(labels)
        if len(present) == 1:
            return numpy.full(self.inner, present[0], numpy.uint8)
        if len(present) == 2 and present[0] == BACKGROUND:
            return numpy.where(self._share(labels != 0) > 127, present[1], BACKGROUND).astype(numpy.uint8)
        shares = numpy.stack([self._share(labels == label) for label in present])
        return present[shares.argmax(axis=0)].astype(numpy.uint8)

    def _share(self, inside: numpy.ndarray) -> numpy.ndarray:
        """How much of each pixel of the grid is inside, 0…255."""
        from PIL import Image

        drawn = Image.fromarray(inside.astype(numpy.uint8) * 255)
        return numpy.asarray(drawn.resize(self.inner[::-1], Image.Resampling.BILINEAR))
