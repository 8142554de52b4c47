"""How an image and its boxes get to the grid of the network, and boxes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmssl.lazy import torch
from gmssl.parts.tasks.detection.annotation import Corners

if TYPE_CHECKING:
    from PIL import Image

_LEAST_LEFT = 1 / 3
"""Share of a box that must be within a cut-out for it to be learnt there."""


@dataclass(frozen=True)
class Frame:
    """A part of an image on a grid: lengths along each axis are multiplied by grid / part, edges stay edges.

    Attributes:
        part: x1, y1, x2, y2 of what is seen, in pixels of the image.
        grid: width and height in pixels of the network.
        mirrored: whether it is mirrored along x and along y, on the grid.
    """

    part: Corners
    grid: tuple[int, int]
    mirrored: tuple[bool, bool] = (False, False)

    def image(self, image: Image.Image) -> Image.Image:
        """What is seen on the grid; smaller by averages over a triangle, so that nothing is lost between pixels."""
        from PIL import Image as Pillow

        seen = image.resize(self.grid, Pillow.Resampling.BILINEAR, box=self.part)
        if self.mirrored[0]:
            seen = seen.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)
        return seen.transpose(Pillow.Transpose.FLIP_TOP_BOTTOM) if self.mirrored[1] else seen

    def boxes(self, corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Boxes `[n,4]` of the image on the grid, cut off at its edges `[n,4]`, and which of them to learn `[n]`."""
        on_grid = (corners.double() - self._offset) * self._scale
        width_height = torch.tensor(self.grid, dtype=torch.float64, device="cpu")
        limits = width_height.repeat(2)
        cut = on_grid.clamp(min=0).minimum(limits)
        sides, whole = cut[:, 2:] - cut[:, :2], on_grid[:, 2:] - on_grid[:, :2]
        kept = sides.clamp(min=0).prod(1) >= _LEAST_LEFT * whole.prod(1)
        for axis in (0, 1):
            if self.mirrored[axis]:
                cut[:, [axis, axis + 2]] = limits[axis] - cut[:, [axis + 2, axis]]
        seen = cut.float()
        return seen, kept & (seen[:, 2:] > seen[:, :2]).all(1)

    def back(self, boxes: torch.Tensor) -> torch.Tensor:
        """Boxes `[n,4]` of the grid on the image, cut off at the edges of the part, float64."""
        found = boxes.double()
        for axis in (0, 1):
            if self.mirrored[axis]:
                found[:, [axis, axis + 2]] = self.grid[axis] - found[:, [axis + 2, axis]]
        found = found / self._scale + self._offset
        edges = torch.tensor(self.part, dtype=torch.float64, device="cpu")
        return found.maximum(edges[:2].repeat(2)).minimum(edges[2:].repeat(2))

    @property
    def _offset(self) -> torch.Tensor:
        return torch.tensor(self.part[:2], dtype=torch.float64, device="cpu").repeat(2)

    @property
    def _scale(self) -> torch.Tensor:
        x1, y1, x2, y2 = self.part
        return torch.tensor(
            [self.grid[0] / (x2 - x1), self.grid[1] / (y2 - y1)], dtype=torch.float64, device="cpu"
        ).repeat(2)


def grid_of(size: tuple[int, int], side: int, stretched: bool) -> tuple[int, int]:
    """Width and height on the network's grid: a square, or the longer side as long as that and the aspect kept."""
    if stretched:
        return side, side
    longest = max(size)
    return max(1, round(size[0] * side / longest)), max(1, round(size[1] * side / longest))


def whole(size: tuple[int, int], side: int, stretched: bool) -> Frame:
    """The whole image, as it is predicted."""
    return Frame((0.0, 0.0, float(size[0]), float(size[1])), grid_of(size, side, stretched))
