"""Writes DICOM files from volumes whose affine is known; pydicom writes them, and nothing of the reader is used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from gmssl.interfaces.reader import Acquisition, Listing, Scan
from gmssl.parts.readers.dicom.reader import Dicom

SHARED = Path(__file__).parents[5] / "shared" / "data"
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


class Files:
    """Files of DICOM, as data sets and on disk."""

    SHARED = SHARED

    @staticmethod
    def image(pixels: np.ndarray, uid: str = "1.2.3.1", **fields: Any) -> Dataset:
        """A CT slice `[H,W]`, a colour picture `[H,W,3]`, or frames with NumberOfFrames among the fields; a field of
        None is left out."""
        colour = pixels.shape[-1] == 3 and pixels.ndim > 2
        bits, signed = 8 * pixels.dtype.itemsize, int(pixels.dtype.kind == "i")
        shape = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
        found = {
            "SOPClassUID": CT,
            "SOPInstanceUID": uid,
            "Modality": "CT",
            "PatientID": "someone",
            "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": "1.2.3.9",
            "Rows": shape[0],
            "Columns": shape[1],
            "SamplesPerPixel": 3 if colour else 1,
            "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": (fields.get("BitsStored") or bits) - 1,
            "PixelRepresentation": signed,
            "PixelData": pixels.tobytes() + b"\0" * (pixels.nbytes % 2),
        }
        found |= {"PlanarConfiguration": 0} if colour else {}
        data = Dataset()
        for name, value in (found | fields).items():
            if value is not None:
                setattr(data, name, value)
        data["PixelData"].VR = "OW" if bits > 8 else "OB"
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return data

    @staticmethod
    def save(data: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
        """As a file with a preamble."""
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = syntax
        data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID", CT)
        data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID", "1.2")
        path.parent.mkdir(parents=True, exist_ok=True)
        data.save_as(path, enforce_file_format=True)
        return path

    @staticmethod
    def place(affine: np.ndarray, k: int) -> dict[str, Any]:
        """Elements that say where slice k lies; affine from (slice, row, column, 1) to mm."""
        down, across = affine[:3, 1], affine[:3, 2]
        spacing = np.linalg.norm(down), np.linalg.norm(across)
        cosines = [*(across / spacing[1]), *(down / spacing[0])]
        return {
            "ImagePositionPatient": [_text(v) for v in affine[:3, 3] + k * affine[:3, 0]],
            "ImageOrientationPatient": [_text(v) for v in cosines],
            "PixelSpacing": [_text(v) for v in spacing],
        }

    @classmethod
    def slices(cls, volume: np.ndarray, affine: np.ndarray, first: int = 1, **fields: Any) -> list[Dataset]:
        """One data set a slice; UIDs count on from `first`, in an order that is not that of space."""
        order = np.random.default_rng(first).permutation(len(volume))
        given = zip(volume, order, range(len(volume)), strict=True)
        return [
            cls.image(
                pixels, **({"uid": f"1.2.3.{first + n}", "InstanceNumber": int(n)} | cls.place(affine, k) | fields)
            )
            for pixels, n, k in given
        ]

    @classmethod
    def folder(cls, root: Path, data: Iterable[Dataset], prefix: str = "") -> list[str]:
        """Names of the files, in the order of the data sets."""
        names = [f"{prefix}{n:03}.dcm" for n, _ in enumerate(data)]
        for name, one in zip(names, data, strict=True):
            cls.save(one, root / name)
        return names

    @staticmethod
    def listed(root: Path, **settings: Any) -> Listing:
        """All files below a folder."""
        names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
        return Dicom(**settings).listing(root, names)

    @classmethod
    def read(cls, root: Path, **settings: Any) -> list[Scan]:
        """All acquisitions below a folder, in their order."""
        return [Dicom(**settings).read(root, found) for found in cls.listed(root, **settings).acquisitions]

    @classmethod
    def one(cls, root: Path, **settings: Any) -> tuple[Acquisition, Scan]:
        """The only acquisition below a folder."""
        (found,) = cls.listed(root, **settings).acquisitions
        return found, Dicom(**settings).read(root, found)

    @classmethod
    def enhanced(
        cls, volume: np.ndarray, frames: list[dict[str, Any]], shared: dict[str, Any], **fields: Any
    ) -> Dataset:
        """A multi-frame file; groups of elements as {sequence: {element: value}}, of each frame and of all."""
        data = cls.image(
            volume, **({"SOPClassUID": ENHANCED_MR, "Modality": "MR", "NumberOfFrames": len(volume)} | fields)
        )
        data.SharedFunctionalGroupsSequence = [_groups(shared)]
        data.PerFrameFunctionalGroupsSequence = [_groups(frame) for frame in frames]
        return data


def _groups(content: dict[str, Any]) -> Dataset:
    made = Dataset()
    for sequence, elements in content.items():
        item = Dataset()
        for name, value in elements.items():
            setattr(item, name, value)
        setattr(made, sequence, [item])
    return made


def _text(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return next(s for digits in range(16, 5, -1) if len(s := f"{value:.{digits}g}") <= 16)


@pytest.fixture(scope="session")
def dicom() -> type[Files]:
    """Writer and short cuts of these tests."""
    return Files
