"""Volumes as they are on disk, with their places in space, and the classes of their voxels."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.reader import Reader, Scan
from gmssl.interfaces.registry import part
from gmssl.parts.tasks.volumes.settings import VolumeSettings
from gmssl.system.files import files_below
from gmssl.system.images.grey import grey_of

SHARE = 0.1
"""Of the shortest side of a voxel: how far apart the corners of two grids may be that count as one."""

_SHOWN = 5
"""Values that a message lists."""


def read_scan(path: Path, reader: Reader, like: np.ndarray | None = None) -> Scan:
    """The one volume of a file, or of a folder with a series of DICOM files, `[K,H,W]` with its place in space.

    Args:
        path: a file, or a folder.
        reader: reads files; folders are read as DICOM.
        like: float64 `[4,4]`, an affine whose order and directions of axes the volume is to have. Nothing is resampled:
            a volume that lies elsewhere still does.

    Raises:
        DataError: it cannot be read, holds several volumes or colours, or does not say how it lies in space.
    """
    if path.is_dir():
        reader = _series()
        root, listing = path, reader.listing(path, files_below(path))
        faults = [one for one in listing.left_out if one.fault]  # not a text, a localizer
        several = "volumes (series, echoes, times), where a case has one; keep the one that is meant in a folder"
    else:
        root, listing = path.parent, reader.listing(path.parent, [path.name])
        faults = list(listing.left_out)  # no fault for pictures of slices (no place in space), one for volumes in mm
        several = "volumes (4-D), where a case has one; write the one that is meant as a file"
    if faults:
        raise DataError(f"{path} cannot be read as a volume: {faults[0].reason}")
    if len(listing.acquisitions) != 1:
        raise DataError(f"{path} holds {len(listing.acquisitions)} {several}")
    scan = reader.read(root, listing.acquisitions[0])
    if scan.affine is None:
        raise DataError(f"{path} does not say how it lies in space")
    first = np.asarray(scan.frames[0])
    if first.ndim != 2:
        raise DataError(f"{path} holds colours, not one value for each voxel")
    if not isinstance(scan.frames, np.ndarray):
        frames = np.stack([scan.frames[number] for number in range(len(scan.frames))])
        scan = Scan(frames, scan.affine, scan.unit, scan.inverted, scan.valid, scan.window)
    return scan if like is None else _onto(scan, like)


@cache
def _series() -> Reader:
    """Slices that are missing are a fault: what is between them would not be scored."""
    reader = part("reader", "dicom", gaps="refuse")
    assert isinstance(reader, Reader)
    return reader


def _onto(scan: Scan, like: np.ndarray) -> Scan:
    """The same voxels with the axes of another affine in their order and direction, where one is along each."""
    own = np.asarray(scan.affine)
    if np.linalg.det(like[:3, :3]) == 0:
        return scan
    steps = np.linalg.solve(like[:3, :3], own[:3, :3])  # column j: own axis j in steps of the others
    along = np.abs(steps).argmax(axis=0)
    if sorted(along) != [0, 1, 2]:
        return scan
    order = np.argsort(along)
    flips = steps[along, range(3)][order] < 0
    if (order == range(3)).all() and not flips.any():
        return scan
    turn = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    values = np.asarray(scan.frames)
    affine = own.copy()
    affine[:3, :3] = own[:3, order] * np.where(flips, -1, 1)
    affine[:3, 3] += own[:3, order] @ (flips * (np.array(values.shape)[order] - 1))
    valid = None if scan.valid is None else np.asarray(scan.valid).transpose(order)[turn]
    return Scan(values.transpose(order)[turn], affine, scan.unit, scan.inverted, valid, scan.window)


def values_of(scan: Scan) -> np.ndarray:
    """The values `[K,H,W]` of a scan that `read_scan` gave."""
    return np.asarray(scan.frames)


def grey(scan: Scan, bounds: tuple[float, float]) -> np.ndarray:
    """Values as uint8 `[K,H,W]`: the lower bound black, the upper one white, black where nothing was measured."""
    out = np.empty(values_of(scan).shape, np.uint8)
    for number, plane in enumerate(values_of(scan)):  # float64 for one plane at a time
        valid = None if scan.valid is None else np.asarray(scan.valid[number])
        out[number] = grey_of(plane, bounds, inverted=scan.inverted, valid=valid)
    return out


def mask_file(case: Case, settings: VolumeSettings) -> Path:
    """The mask of a case.

    Raises:
        DataError: it has none.
    """
    for role in settings.masks:
        if role in case.files:
            return case.files[role]
    raise DataError(f"{case.name} has no file of the role {' or '.join(map(repr, settings.masks))}")


def labels_of(scan: Scan, path: Path, settings: VolumeSettings) -> np.ndarray:
    """The classes `[K,H,W]` of a mask as uint8: 0 for the background, then 1, 2, … in the order of the classes.

    Raises:
        DataError: values that are not whole numbers, or stand for no class.
    """
    values = values_of(scan)
    if np.issubdtype(values.dtype, np.floating):
        if not np.isfinite(values).all():
            raise DataError(f"{path} holds {int((~np.isfinite(values)).sum())} values that are not finite")
        if (values != np.rint(values)).any():
            fractions = np.unique(values[values != np.rint(values)])
            raise DataError(f"{path} holds numbers that are not whole ({_listed(fractions)}), so it is no mask")
    found = np.unique(values)
    if not settings.classes:
        if len(found[found != 0]) > 1:
            raise DataError(f"{path} holds the values {_listed(found)}, where one class has one other than 0")
        return (values != 0).astype(np.uint8)
    labels = np.zeros(values.shape, np.uint8)
    for number, listed in enumerate(settings.classes.values(), start=1):
        labels[np.isin(values, listed)] = number
    known = {0, *(value for listed in settings.classes.values() for value in listed)}
    strange = [value for value in found if float(value) not in known]
    if strange:
        raise DataError(f"{path} holds the values {_listed(strange)}, which are of no class")
    return labels


def apart(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Greatest distance between the corners of two grids of one shape, in shortest sides of a voxel.

    Args:
        one, other: float64 `[4,4]` from (k, row, column, 1) to mm.
        shape: slices, rows, columns.
    """
    ends = np.array(np.meshgrid(*[(0, length - 1) for length in shape], indexing="ij")).reshape(3, -1)
    corners = np.vstack([ends, np.ones(ends.shape[1])])
    farthest = np.linalg.norm(((one - other) @ corners)[:3], axis=0).max()
    return float(farthest / np.linalg.norm(one[:3, :3], axis=0).min())


def _listed(values: np.ndarray | list[np.generic]) -> str:
    return ", ".join(f"{float(value):g}" for value in values[:_SHOWN]) + (", …" if len(values) > _SHOWN else "")
