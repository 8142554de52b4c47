"""What is known of volumes before anything is trained, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.reader import LibraryError, Scan
from gmssl.interfaces.task import Value, told
from gmssl.parts.tasks.masks.metrics import boundaries
from gmssl.parts.tasks.volumes.cutting import Cut
from gmssl.parts.tasks.volumes.reading import SHARE, apart, labels_of, mask_file, read_scan, values_of
from gmssl.parts.tasks.volumes.settings import VolumeSettings

REMEDY = "Correct the files or the settings of the task, or leave such cases out."
_THREADS = 4
"""Volumes that are in memory at once while they are checked."""


@dataclass(frozen=True, eq=False)
class Checked:
    """A volume whose images and mask lie on one grid.

    Attributes:
        shape: slices, rows and columns of the file.
        affine: float64 `[4,4]` from (k, row, column, 1) to mm in LPS.
        cut: how it becomes slices.
        bounds: for each role of images the values that become black and white.
        voxels: of each class.
        filled: for each slice of the cut whether it has a voxel of any class.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    cut: Cut
    bounds: tuple[tuple[float, float], ...]
    voxels: tuple[int, ...]
    filled: tuple[bool, ...]


def checked(settings: VolumeSettings, cases: Sequence[Case]) -> list[Checked]:
    """Read every volume once.

    Raises:
        DataError: faults of files, all in one message, or not one voxel of any class in any of them.
    """
    _libraries()
    with ThreadPoolExecutor(_THREADS) as pool:  # inflating leaves the interpreter free
        found = list(pool.map(lambda case: _checked(settings, case), cases))
    faults = [fault for fault in found if isinstance(fault, str)]
    if faults:
        raise DataError(told(faults, REMEDY))
    sound = [check for check in found if isinstance(check, Checked)]
    if not any(sum(check.voxels) for check in sound):
        raise DataError(
            f"Not one of the {len(cases)} masks has a voxel of {', '.join(settings.names)}. Correct the masks or "
            "task.classes."
        )
    return sound


def facts_of(settings: VolumeSettings, found: Sequence[Checked]) -> Mapping[str, Value]:
    """Counts of volumes, slices and voxels of each class, and how thick slices are."""
    voxels = np.array([check.voxels for check in found]).sum(axis=0)
    whole = sum(int(np.prod(check.shape)) for check in found)
    spacings = [check.cut.spacing[0] for check in found]
    slices, filled = (sum(len(check.filled) for check in found), sum(sum(check.filled) for check in found))
    without = {
        f"volumes without {name}": sum(c.voxels[at] == 0 for c in found) for at, name in enumerate(settings.names)
    }
    return {
        "volumes": len(found),
        "slices": slices,
        "slices with foreground": filled,
        "mm between slices": f"{min(spacings):.2f} to {max(spacings):.2f}",
        **without,
        **{f"share of {name}": float(count / whole) for name, count in zip(settings.names, voxels, strict=True)},
    }


def refuse_empty(settings: VolumeSettings, found: Sequence[Checked], indices: Sequence[int]) -> None:
    """Refuse to learn from volumes without any foreground.

    Raises:
        DataError: not one of them has a voxel of any class.
    """
    if not any(sum(found[index].voxels) for index in indices):
        raise DataError(
            f"Not one of the {len(indices)} training volumes has a voxel of {', '.join(settings.names)}. Correct the "
            "split, task.classes or the masks."
        )


def _checked(settings: VolumeSettings, case: Case) -> Checked | str:
    try:
        first = _image(settings, case, settings.images[0])
        images = [first, *(_image(settings, case, role, first.affine) for role in settings.images[1:])]
        path = mask_file(case, settings)
        mask = read_scan(path, settings.reader, first.affine)
        for role, other in zip((*settings.images[1:], path.name), (*images[1:], mask), strict=True):
            _same_grid(images[0], other, role, case)
        labels = labels_of(mask, path, settings)
        bounds = tuple(
            _bounds(settings, case.files[role], image) for role, image in zip(settings.images, images, strict=True)
        )
    except LibraryError:
        raise
    except DataError as fault:
        return str(fault).rstrip(".")
    affine = first.affine
    assert affine is not None
    cut = Cut.of(affine, settings.axis)
    counts = np.bincount(labels.ravel(), minlength=len(settings.names) + 1)
    filled = [bool(drawn.any()) for drawn in cut.slices(labels)]
    slices, rows, columns = labels.shape
    return Checked(
        (slices, rows, columns),
        affine,
        cut,
        bounds,
        tuple(int(count) for count in counts[1:]),
        tuple(filled),
    )


def _image(settings: VolumeSettings, case: Case, role: str, like: np.ndarray | None = None) -> Scan:
    if role not in case.files:
        raise DataError(f"{case.name} has no file of the role {role!r}")
    scan = read_scan(case.files[role], settings.reader, like)
    values = values_of(scan)
    if settings.not_finite == "refuse" and np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        raise DataError(
            f"{case.files[role]} holds {int((~np.isfinite(values)).sum())} values that are not finite (NaN); write 0 "
            "there, or set task.not_finite to black"
        )
    return scan


def _bounds(settings: VolumeSettings, path: Path, scan: Scan) -> tuple[float, float]:
    try:
        return settings.window.bounds(scan, None)
    except DataError as fault:
        raise DataError(f"{path}: {fault}") from None


def _same_grid(image: Scan, other: Scan, role: str, case: Case) -> None:
    ours, theirs = values_of(image).shape, values_of(other).shape
    if ours != theirs:
        raise DataError(f"{role} of {case.name} has {_size(theirs)} voxels, and the image {_size(ours)}")
    assert image.affine is not None
    assert other.affine is not None
    distance = apart(image.affine, other.affine, ours)
    if distance > SHARE:
        raise DataError(
            f"{role} of {case.name} lies elsewhere in space: its affine puts a corner {distance:.1f} voxels from that "
            "of the image; resample it to the grid of the image"
        )


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(str(length) for length in reversed(shape))


def _libraries() -> None:
    try:
        import nibabel  # noqa: F401
    except ImportError:
        raise DataError("Volumes need nibabel and MONAI: run pip install 'gmssl[seg,med]'.") from None
    boundaries()
