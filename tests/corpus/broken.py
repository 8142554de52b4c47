"""Archives of one sound file or series, and one that is broken in a known way."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom.data
from PIL import Image
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import RLELossless

from tests.parts.readers.dicom.conftest import Files

WHEEL = Path(pydicom.data.__file__).parent / "test_files"
SOUND = np.random.default_rng(0).integers(0, 256, (4, 6, 5), dtype=np.int16)
"""The images of what is sound, `[K,H,W]`; the window of the tests, from 0 to 255, leaves them as they are."""
PLACE = np.array([[0, 0, 0.5, 10], [0, 0.5, 0, -20], [2, 0, 0, 30], [0, 0, 0, 1.0]])
"""From (slice, row, column) to mm."""


def mr_slices(name: str, values: np.ndarray = SOUND, place: np.ndarray = PLACE, **fields: Any) -> list[Any]:
    """A series as data sets, slice by slice in the order of space."""
    made = Files.slices(values, place, PatientID=name, SeriesInstanceUID=f"1.2.{len(name)}", Modality="MR", **fields)
    for number, one in enumerate(made):
        one.SOPInstanceUID = f"1.2.3.{len(name)}.{number + 1}"
    return made


def mr_series(
    root: Path, name: str, values: np.ndarray = SOUND, place: np.ndarray = PLACE, **fields: Any
) -> list[Path]:
    """A series, `name-000.dcm` and so on in the order of space."""
    return [root / one for one in Files.folder(root, mr_slices(name, values, place, **fields), f"{name}-")]


def one_file(root: Path) -> Any:
    """A data set of one slice that is of another series than the sound one."""
    return mr_slices("bad", SOUND[:1])[0]


def cut_off(path: Path, share: float) -> None:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def volume(path: Path, values: np.ndarray | None = None, **header: object) -> Path:
    """A NIfTI file, of the sound images if nothing else is said."""
    values = SOUND.transpose(2, 1, 0) if values is None else values
    image = nibabel.Nifti1Image(values, None if header else np.diag([-1, -1, 2, 1.0]))
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def _truncated_dicom(root: Path) -> None:
    Files.save(one_file(root), root / "bad.dcm")
    cut_off(root / "bad.dcm", 0.97)


def _frames_that_are_not_there(root: Path) -> None:
    """As many as would fill the memory, if they were listed."""
    data = pydicom.dcmread(WHEEL / "MR_small_RLE.dcm")
    data.NumberOfFrames = 70_000
    data.save_as(root / "bad.dcm")


def _dicom_cut_in_its_header(root: Path) -> None:
    (root / "bad.dcm").write_bytes((WHEEL / "CT_small.dcm").read_bytes()[:900])


def _missing_slices(root: Path) -> None:
    mr_series(root, "bad")[2].unlink()


def _wrong_syntax(root: Path) -> None:
    data = one_file(root)
    jpeg = pydicom.dcmread(WHEEL / "MR_small_jp2klossless.dcm")
    data.PixelData = encapsulate([get_frame(jpeg.PixelData, 0, number_of_frames=1)])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    Files.save(data, root / "bad.dcm", RLELossless)


def _no_pixels(root: Path) -> None:
    data = one_file(root)
    del data.PixelData
    Files.save(data, root / "bad.dcm")


def _nan_volume(root: Path) -> None:
    volume(root / "bad.nii", np.full((4, 3, 2), np.nan, np.float32))


def _five_dimensions(root: Path) -> None:
    volume(root / "bad.nii", np.ones((4, 3, 2, 2, 3), np.int16))


def _spaced(path: Path, spacing: float) -> None:
    """A NIfTI file whose slices are so far apart, and whose header says nothing else of space."""
    volume(path, sform_code=0)
    content = bytearray(path.read_bytes())
    content[88:92] = struct.pack("<f", spacing)  # nibabel would not write it
    path.write_bytes(content)


def _zero_spacing(root: Path) -> None:
    _spaced(root / "bad.nii", 0.0)


def _spacing_of_no_number(root: Path) -> None:
    _spaced(root / "bad.nii", float("nan"))


def _wild_spacing(root: Path) -> None:
    _spaced(root / "bad.nii", 1e-20)


def _no_raw(root: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(SOUND, np.eye(4)), root / "bad.hdr")
    (root / "bad.img").unlink()


def _truncated_nifti(root: Path) -> None:
    cut_off(volume(root / "bad.nii.gz", np.random.default_rng(1).integers(0, 256, (32, 32, 9), np.int16)), 0.9)


def nrrd(path: Path, values: np.ndarray = SOUND) -> Path:
    """A NRRD file with its values behind the header."""
    kind = {"i": "short", "f": "float"}[values.dtype.kind]
    sizes = " ".join(map(str, values.shape[::-1]))
    lines = ("NRRD0004", f"type: {kind}", "dimension: 3", "space: left-posterior-superior", f"sizes: {sizes}")
    lines += ("space directions: (1,0,0) (0,1,0) (0,0,2)", "endian: little", "encoding: raw", "space origin: (0,0,0)")
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + values.tobytes())
    return path


def _nan_nrrd(root: Path) -> None:
    nrrd(root / "bad.nrrd", np.full((2, 3, 4), np.nan, np.float32))


def _detached_nrrd(root: Path) -> None:
    head = nrrd(root / "bad.nrrd").read_bytes().partition(b"\n\n")[0]
    (root / "bad.nrrd").unlink()
    (root / "bad.nhdr").write_bytes(head + b"\ndata file: gone.raw\n\n")


def hdf5(path: Path, values: np.ndarray = SOUND, key: str = "x") -> Path:
    """An HDF5 file with one array."""
    import h5py

    with h5py.File(path, "w") as file:
        file[key] = values
    return path


def _other_key(root: Path) -> None:
    hdf5(root / "bad.h5", key="images")


def tiff(path: Path, values: np.ndarray = SOUND) -> Path:
    """A TIFF file with a page for each image."""
    import tifffile

    tifffile.imwrite(path, values, photometric="minisblack", metadata=None)
    return path


def _truncated_tiff(root: Path) -> None:
    import tifffile

    tiff(root / "bad.tif")
    with tifffile.TiffFile(root / "bad.tif") as file:
        last = file.pages[-1].dataoffsets[0]
    content = bytearray((root / "bad.tif").read_bytes())
    where = content.rfind(struct.pack("<I", last))
    content[where : where + 4] = struct.pack("<I", len(content) - 3)
    (root / "bad.tif").write_bytes(content)


def picture(path: Path, values: np.ndarray = SOUND[0]) -> Path:
    """A grey PNG file."""
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


def _truncated_png(root: Path) -> None:
    cut_off(picture(root / "bad.png", np.random.default_rng(1).integers(0, 256, (40, 40))), 0.5)


def _empty_png(root: Path) -> None:
    (root / "bad.png").touch()


def _page_of_a_server(root: Path) -> None:
    (root / "bad.png").write_bytes(b"<html>404 not found</html>")


@dataclass(frozen=True)
class Case:
    """A way to be broken.

    Attributes:
        reader: its settings in a source.
        sound: writes the files that hold `SOUND`, `good…`.
        broken: writes what is broken.
        name: what the report calls it, as a regular expression.
        said: words of the reason.
        kept: images of what is broken that are kept, as they lie before the fault.
        how: further settings of the corpus.
    """

    reader: dict[str, Any]
    sound: Callable[[Path], object]
    broken: Callable[[Path], object]
    name: str
    said: str
    kept: int = 0
    how: dict[str, Any] = field(default_factory=dict)


def _dicom(broken: Callable[[Path], object], said: str, name: str = r"bad\.dcm", **settings: Any) -> Case:
    return Case({"kind": "dicom", **settings}, lambda root: mr_series(root, "good"), broken, name, said)


def _nifti(broken: Callable[[Path], object], said: str, name: str = r"bad\.nii", **how: Any) -> Case:
    return Case({"kind": "nifti"}, lambda root: volume(root / "good.nii"), broken, name, said, how=how)


def _itk(broken: Callable[[Path], object], said: str, name: str) -> Case:
    return Case({"kind": "itk"}, lambda root: nrrd(root / "good.nrrd"), broken, name, said)


def _pictures(broken: Callable[[Path], object], said: str) -> Case:
    return Case({"kind": "pictures"}, lambda root: picture(root / "good.png"), broken, r"bad\.png", said)


CASES = {
    "truncated DICOM": _dicom(_truncated_dicom, "it is truncated: the last"),
    "DICOM cut in its header": _dicom(_dicom_cut_in_its_header, "has no pixels, or ends before them"),
    "frames that are not there": _dicom(_frames_that_are_not_there, "its header asks for 70000 frames, but"),
    "missing slices": _dicom(
        _missing_slices, "1 missing between 32 and 36 mm; refused", name="[0-9a-f]{12}", gaps="refuse"
    ),
    "wrong transfer syntax": _dicom(_wrong_syntax, "its header says RLE Lossless, but its pixels are JPEG 2000"),
    "header without pixels": _dicom(_no_pixels, "has no pixels, or ends before them"),
    "NaN volume": _nifti(_nan_volume, "none of its values is finite"),
    "5-D NIfTI": _nifti(_five_dimensions, "it has 5 dimensions"),
    "zero spacing": _nifti(
        _zero_spacing, "it does not say how it lies in space; set axis: acquired", slices={"axis": "axial"}
    ),
    "spacing that is no number": _nifti(
        _spacing_of_no_number, "it does not say how it lies in space; set axis: acquired", slices={"axis": "axial"}
    ),
    "wild spacing": _nifti(_wild_spacing, "its pixels are 1e-20 × 1 mm", slices={"axis": "sagittal", "square": True}),
    "NIfTI header without values": _nifti(_no_raw, "there is no bad.img beside it", name=r"bad\.hdr"),
    "truncated NIfTI": _nifti(_truncated_nifti, "ended before the end-of-stream", name=r"bad\.nii\.gz"),
    "NaN NRRD": _itk(_nan_nrrd, "none of its values is finite", r"bad\.nrrd"),
    "NRRD header without values": _itk(_detached_nrrd, "its values are missing: there is no gone.raw", r"bad\.nhdr"),
    "HDF5 without the key": Case(
        {"kind": "hdf5"},
        lambda root: hdf5(root / "good.h5"),
        _other_key,
        r"bad\.h5",
        "there is no array 'x' in it; there are images; set the reader's key",
    ),
    "truncated TIFF": Case(
        {"kind": "tiff_pages"},
        lambda root: tiff(root / "good.tif"),
        _truncated_tiff,
        r"bad\.tif",
        "page 3: it is truncated: 1 of 1 strips or tiles are cut off",
        kept=3,
    ),
    "truncated PNG": _pictures(_truncated_png, "truncated"),
    "empty PNG": _pictures(_empty_png, "empty"),
    "no picture": _pictures(_page_of_a_server, "no"),
}
