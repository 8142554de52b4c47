"""Small volumes of bright blobs with their masks, at any place in space."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from gmssl.interfaces.cases import Case

SHAPE = (18, 14, 9)
"""Of the files: columns, rows, slices."""


def turned(degrees: float = 0.0, spacing=(1.0, 1.5, 4.0), flips=(1, 1, 1), order=(0, 1, 2)) -> np.ndarray:
    """An affine of NIfTI: spacing along the axes of the file, flipped, permuted, and turned about two directions."""
    a = np.deg2rad(degrees)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(a / 2), -np.sin(a / 2)], [0, np.sin(a / 2), np.cos(a / 2)]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.eye(3)[:, list(order)] @ np.diag(np.multiply(spacing, flips))
    affine[:3, 3] = (-31.25, 12.5, 7.75)
    return affine


def blob(number: int, shape=SHAPE) -> np.ndarray:
    """A ball, off the centre, in cells of the file."""
    generator = np.random.default_rng(number)
    grid = np.stack(np.meshgrid(*[np.arange(length) for length in shape], indexing="ij"), -1)
    centre = np.array(shape) * generator.uniform(0.35, 0.6, 3)
    return (((grid - centre) / (np.array(shape) * 0.22)) ** 2).sum(-1) <= 1


def save(path: Path, values: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def blobs(count: int, folder: Path, affine=None, shape=SHAPE) -> list[Case]:
    """Cases of a bright blob on a dark, noisy ground each."""
    affine = turned() if affine is None else affine
    cases = []
    for number in range(count):
        inside = blob(number, shape)
        values = np.random.default_rng(number).normal(100, 20, shape) + 400 * inside
        files = {
            "image": save(folder / f"{number}.nii.gz", values.astype(np.int16), affine),
            "mask": save(folder / f"{number}_mask.nii.gz", inside.astype(np.uint8), affine),
        }
        cases.append(Case(f"{number}.nii.gz", files, patient=str(number)))
    return cases
