"""From a scan to its images: which slices, along which axis, and which way up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from gmssl.errors import DataError
from gmssl.interfaces.part import Settings
from gmssl.interfaces.reader import Scan

Axis = Literal["acquired", "axial", "coronal", "sagittal"]
Z, Y, X = 0, 1, 2
"""Axes of a volume that lies along the patient: to the head, to the back, to the left."""
ANATOMICAL: dict[str, int] = {"axial": Z, "coronal": Y, "sagittal": X}


class SlicePolicy(Settings):
    """Which images a scan gives. Pictures and slides are frames of their own: only `every` and the limits concern them.

    The paper says no more than that volumes are cut into slices; the defaults take every slice as it was acquired.
    """

    axis: Axis = Field("acquired", description="what the slices are cut across; acquired: as the scanner did")
    every: int = Field(1, ge=1, description="take every k-th slice")
    empty: float = Field(1.0, ge=0, le=1, description="share of empty slices that is kept, drawn by the seed")
    filled: float = Field(
        0.01, ge=0, lt=1, description="a slice is empty if no more of its pixels are brighter than 5 %"
    )
    square: bool = Field(True, description="enlarge slices whose pixels are not square along the coarser side")
    longest: int | None = Field(None, ge=1, description="shrink images whose longer side has more pixels than this")


@dataclass(frozen=True, eq=False)
class Slice:
    """One image of a scan, in the scanner's values.

    Attributes:
        number: position along the axis, in the order of space.
        values: `[H,W]` or `[H,W,3]`.
        valid: bool `[H,W]`, False where the scanner padded; None where all are valid.
        spacing: mm from row to row and from column to column; None for pictures.
        encoded: the bytes of a file that decodes to exactly these 8-bit values, or None.
    """

    number: int
    values: np.ndarray
    valid: np.ndarray | None = None
    spacing: tuple[float, float] | None = None
    encoded: bytes | None = None


def cut(scan: Scan, policy: SlicePolicy, start: int = 0, stop: int | None = None) -> Iterator[Slice]:
    """The slices of a scan in the order of space, or those from `start` to before `stop`.

    Slices of volumes are shown as radiologists see them: axial ones from below with the front at the top, coronal ones
    from the front and sagittal ones from the left with the head at the top; the patient's right is at the left of the
    picture.

    Raises:
        DataError: an anatomical axis is asked for, and the scan does not say how it lies in space.
    """
    if scan.affine is None or not isinstance(scan.frames, np.ndarray):
        if policy.axis != "acquired":
            why = "it does not say how it lies in space" if scan.affine is None else "it is read frame by frame"
            raise DataError(f"no {policy.axis} slices can be cut: {why}; set axis: acquired.")
        yield from _frames(scan, policy, start, stop)
        return
    axes, signs = lying(scan.affine)
    along = axes.index(0) if policy.axis == "acquired" else ANATOMICAL[policy.axis]
    volume = _upright(scan.frames, axes, signs)
    valid = None if scan.valid is None else _upright(np.asarray(scan.valid), axes, signs)
    spacing = _sizes(scan.affine)[list(axes)].tolist()
    rows, columns = (axis for axis in (Z, Y, X) if axis != along)
    shown = (spacing[rows], spacing[columns])
    for number in range(start, min(volume.shape[along], volume.shape[along] if stop is None else stop)):
        if number % policy.every == 0:
            values = _shown(volume, along, number)
            yield Slice(number, values, None if valid is None else _shown(valid, along, number), shown)


def lying(affine: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Which axis of an array lies along z, y and x of the patient, and in which direction (1 or −1).

    The assignment with the largest sum of cosines, so that oblique volumes are turned by less than 45° where they can
    be.
    """
    directions = (affine[:3, :3] / _sizes(affine))[::-1]  # rows z, y, x
    best = max(
        itertools.permutations(range(3)), key=lambda axes: sum(abs(directions[i, a]) for i, a in enumerate(axes))
    )
    signs = [1 if directions[i, a] >= 0 else -1 for i, a in enumerate(best)]
    return (best[0], best[1], best[2]), (signs[0], signs[1], signs[2])


def _sizes(affine: np.ndarray) -> np.ndarray:
    """mm from voxel to voxel along each axis of an array, float64 `[3]`."""
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise DataError(
            "its voxels have no extent, or no finite one, along an axis; correct the spacing in its header."
        )
    return lengths


def _upright(values: np.ndarray, axes: tuple[int, ...], signs: tuple[int, ...]) -> np.ndarray:
    """A view `[z,y,x]` or `[z,y,x,3]`, each axis in the direction of the patient's."""
    turned = values.transpose(*axes, *range(3, values.ndim))
    return turned[tuple(slice(None, None, sign) for sign in signs)]


def _shown(volume: np.ndarray, along: int, number: int) -> np.ndarray:
    slice_ = volume[(slice(None),) * along + (number,)]  # a view: `take` copies a whole volume that is turned
    return np.ascontiguousarray(slice_ if along == Z else slice_[::-1])  # rows of the others run along z, to the head


def _frames(scan: Scan, policy: SlicePolicy, start: int, stop: int | None) -> Iterator[Slice]:
    spacing = None
    if scan.affine is not None:
        _, down, across = _sizes(scan.affine).tolist()
        spacing = (down, across)
    for number in range(start, len(scan.frames) if stop is None else min(stop, len(scan.frames))):
        if number % policy.every == 0:
            valid = None if scan.valid is None else scan.valid[number]
            encoded = None if scan.encoded is None else scan.encoded[number]
            yield Slice(number, scan.frames[number], valid, spacing, encoded)
