"""Predicted masks as NIfTI files on the grid of the image that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_ENDINGS = (".nii.gz", ".nii")


def file_name(case: str) -> str:
    """A name for the files of a case, without folders and without the ending of a NIfTI file."""
    ending = next((ending for ending in _ENDINGS if case.endswith(ending)), "")
    return case.removesuffix(ending).replace("/", "_")


def write_mask(path: Path, labels: np.ndarray, source: Path, affine: np.ndarray) -> Path:
    """Write labels as NIfTI of uint8, with the shape, the affine and its codes, and the units of the image.

    Args:
        path: the file, ending in `.nii` or `.nii.gz`.
        labels: uint8 `[K,H,W]` in the order of `Scan.frames`.
        source: the image; other forms than NIfTI give no header, and the affine alone is written.
        affine: float64 `[4,4]` from (k, row, column, 1) to mm in LPS.
    """
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    values = labels.astype(np.uint8).transpose(2, 1, 0)  # columns, rows, slices: the order of NIfTI
    original = _image(source)
    if original is None:
        # NIfTI counts mm to the right, to the front and to the head of the patient (RAS).
        in_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine[:, [2, 1, 0, 3]]
        nibabel.save(nibabel.Nifti1Image(values, in_ras), path)
        return path
    old = original.header
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(original.shape)
    header["pixdim"][:4] = old["pixdim"][:4]
    for name in ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "xyzt_units"):
        header[name] = old[name]
    for name in ("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"):
        header[name] = old[name]
    # Without an affine of its own, nibabel takes the header's, whose bits stay as they were.
    nibabel.save(nibabel.Nifti1Image(values.reshape(original.shape), None, header), path)
    return path


def _image(source: Path) -> Any:
    """The image with its header, or None where it is of another form than NIfTI-1."""
    if source.is_dir():
        return None
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        image = nibabel.load(source)
    except ImageFileError:
        return None
    return image if type(image) in (nibabel.Nifti1Image, nibabel.Nifti1Pair) else None
