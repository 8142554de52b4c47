"""Slices of a volume as radiologists see them, and the volume that slices came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmssl.parts.tasks.volumes.settings import Axis

X, Y, Z = 0, 1, 2
"""Directions of the patient (LPS): to the left, to the back, to the head."""

_ACROSS = {"sagittal": X, "coronal": Y, "axial": Z}
_SHOWN = {X: ((Z, -1), (Y, 1)), Y: ((Z, -1), (X, 1)), Z: ((Y, 1), (X, 1))}
"""Direction that slices are cut across → those in which the rows and the columns of a picture follow each other."""

_EQUAL = 1.01
"""Spacings that differ by less are equal, and the file's own slices are taken."""


@dataclass(frozen=True)
class Cut:
    """How a volume `[K,H,W]` is cut: slices in the order of space, each upright, without any resampling.

    Axial slices have the front at the top, the others the head; the patient's right is at the left, and in sagittal
    ones the front is.

    Attributes:
        axes: axes of the volume along slices, rows and columns.
        signs: 1 or −1 for each: whether it is walked backwards.
        spacing: mm from slice to slice, row to row and column to column.
    """

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, affine: np.ndarray, axis: Axis) -> Cut:
        """The cut of a volume.

        Args:
            affine: float64 `[4,4]` from (k, row, column, 1) to mm in LPS.
            axis: what slices are cut across; of an oblique volume the axis that is nearest to it.
        """
        import nibabel

        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        oriented = nibabel.io_orientation(affine)  # for each axis of the volume its direction in space, and the sign
        directions = [int(direction) for direction in oriented[:, 0]]
        if axis == "acquired":
            longest = int(lengths.argmax())
            across = directions[0 if lengths[0] * _EQUAL >= lengths[longest] else longest]
        else:
            across = _ACROSS[axis]
        wanted = ((across, 1), *_SHOWN[across])
        axes = [directions.index(direction) for direction, _ in wanted]
        signs = [sign * int(oriented[at, 1]) for at, (_, sign) in zip(axes, wanted, strict=True)]
        first, second, third = (float(lengths[at]) for at in axes)
        return cls((axes[0], axes[1], axes[2]), (signs[0], signs[1], signs[2]), (first, second, third))

    def slices(self, volume: np.ndarray) -> np.ndarray:
        """A view `[N,H,W]` of a volume."""
        turned = volume.transpose(self.axes)
        return turned[tuple(slice(None, None, sign) for sign in self.signs)]

    def volume(self, slices: np.ndarray) -> np.ndarray:
        """A view of slices `[N,H,W]` as the volume that they were cut from."""
        turned = slices[tuple(slice(None, None, sign) for sign in self.signs)]
        return turned.transpose([self.axes.index(axis) for axis in range(3)])
