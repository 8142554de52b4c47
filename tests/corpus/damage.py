"""Small files of every form, and ways to damage them: odd values in their headers, other bytes, and missing ends."""

from __future__ import annotations

import functools
import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

ODD_NUMBERS = (
    0.0,
    -0.0,
    -1.0,
    float("nan"),
    float("inf"),
    1e-30,
    1e30,
    1e-300,
    1e300,
    1e6,
    65535.0,
    2.0**31,
    -(2.0**63),
)
ODD_WORDS = ("0", "-1", "nan", "inf", "1e-30", "1e30", "1e300", "-1e300", "65536", "99999999", "9" * 30, "", "x", "1 2")
PATCHES = tuple(
    struct.pack(f"{order}{letter}", number)
    for order in "<>"
    for letter, numbers in {
        "f": (0.0, -1.0, float("nan"), float("inf"), 1e-38, 3e38),
        "d": (0.0, float("nan"), float("inf"), 1e300, 1e-300),
        "H": (0, 1, 255, 65535),
        "I": (0, 1, 2**31 - 1, 2**32 - 1),
        "Q": (2**40, 2**63),
    }.items()
    for number in numbers
)


@dataclass(frozen=True)
class Form:
    """A form of files.

    Attributes:
        reader: its settings in a source.
        ending: of names.
        good: a sound file.
        others: further sound files, to be damaged.
        damaged: a strategy of headers with odd values, given one of `others`; None for bytes alone.
    """

    reader: dict[str, Any]
    ending: str
    good: bytes
    others: tuple[bytes, ...]
    odd: Callable[[bytes, str, object], bytes] | None = None
    fields: tuple[str, ...] = ()
    values: tuple[object, ...] = ()


@st.composite
def damaged(draw: st.DrawFn, form: Form) -> bytes:
    """A damaged file of a form."""
    content = draw(st.sampled_from(form.others))
    if form.odd is not None:
        changes = st.tuples(st.sampled_from(form.fields), st.sampled_from(form.values))
        for field, value in draw(st.lists(changes, max_size=3)):
            content = form.odd(content, field, value)
    edits = st.tuples(st.floats(0, 1), st.sampled_from(PATCHES) | st.binary(min_size=1, max_size=4))
    share = draw(st.sampled_from([0.1, 1.0]))  # most of what a header says stands in the first tenth
    changed = bytearray(content)
    for place, patch in draw(st.lists(edits, max_size=3)):
        at = int(place * share * max(len(changed) - len(patch), 0))
        changed[at : at + len(patch)] = patch
    kept = draw(st.just(1.0) | st.floats(0, 1))
    return bytes(changed[: int(kept * len(changed))])


def _values(seed: int, *shape: int, dtype: str = "int16") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 250 if dtype == "uint8" else 1000, shape).astype(dtype)


@functools.cache
def dicom() -> Form:
    """One slice of an MR image with a place; all files are of one series but the good one."""
    import pydicom
    import pydicom.data

    folder = Path(pydicom.data.__file__).parent / "test_files"
    good = pydicom.dcmread(folder / "MR_small.dcm")
    good.PatientID, good.SeriesInstanceUID, good.SOPInstanceUID = "another", "1.2.3.4", "1.2.3.4.5"
    written = io.BytesIO()
    good.save_as(written)
    others = ("MR_small.dcm", "CT_small.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "rtdose_1frame.dcm")
    numbers = ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "RescaleSlope")
    numbers += ("RescaleIntercept", "WindowCenter", "WindowWidth", "NumberOfFrames", "SpacingBetweenSlices")
    wholes = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel")
    return Form(
        {"kind": "dicom", "captures": True},
        ".dcm",
        written.getvalue(),
        tuple((folder / name).read_bytes() for name in others),
        _odd_element,
        (*numbers, *wholes, "PhotometricInterpretation", "PixelPaddingValue"),
        (*ODD_WORDS, "1\\1e-30", "1e30\\1", "nan\\1\\1", "1\\0\\0\\0\\1\\0", "0\\0\\0\\0\\0\\0", 0, 1, 7, 65535),
    )


def _odd_element(content: bytes, field: str, value: object) -> bytes:
    """The value as pydicom writes it, or as raw bytes of text where it would refuse it."""
    import pydicom
    from pydicom.datadict import dictionary_VR, tag_for_keyword
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    data = pydicom.dcmread(io.BytesIO(content), force=True)
    tag, vr = Tag(tag_for_keyword(field) or 0), dictionary_VR(field)
    vr = "US" if vr == "US or SS" else vr
    if vr == "US":
        raw = struct.pack("<H", value if isinstance(value, int) else len(str(value)))
    else:
        raw = str(value).encode()
        raw += b" " * (len(raw) % 2)
    data[tag] = RawDataElement(tag, vr, len(raw), raw, 0, False, True)
    written = io.BytesIO()
    data.save_as(written)
    return written.getvalue()


@functools.cache
def nifti() -> Form:
    """Volumes of whole numbers and of fractions, and one of a single slice."""
    import nibabel

    def content(values: np.ndarray) -> bytes:
        image = nibabel.Nifti1Image(values, np.diag([-1.0, -1, 2, 1]))
        image.header["cal_max"] = 900
        return image.to_bytes()

    others = (content(_values(1, 5, 4, 3)), content(_values(2, 5, 4, 3) / 7), content(_values(3, 5, 4)))
    fields = ("dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter", "cal_max", "cal_min")
    fields += ("qform_code", "sform_code", "quatern_b", "srow_x", "srow_y", "srow_z", "magic", "sizeof_hdr")
    good = content(_values(0, 6, 5, 4))
    return Form({"kind": "nifti"}, ".nii", good, others, _odd_nifti, fields, ODD_NUMBERS)


def _odd_nifti(content: bytes, field: str, value: object) -> bytes:
    import nibabel

    type_ = nibabel.nifti1.header_dtype
    header = np.frombuffer(content[:348], type_).copy()
    flat = header[field].reshape(-1)
    with np.errstate(all="ignore"):
        flat[min(1, len(flat) - 1)] = np.array(value).astype(flat.dtype)
    return header.tobytes() + content[348:]


@functools.cache
def nrrd() -> Form:
    """A volume with a text header."""
    import SimpleITK

    def content(seed: int, *shape: int) -> bytes:
        image = SimpleITK.GetImageFromArray(_values(seed, *shape))
        image.SetSpacing((1.0, 1.0, 2.0))
        with tempfile.TemporaryDirectory() as folder:
            SimpleITK.WriteImage(image, f"{folder}/x.nrrd")
            return Path(folder, "x.nrrd").read_bytes()

    fields = ("type", "dimension", "space", "sizes", "space directions", "kinds", "endian", "encoding", "space origin")
    others = (content(1, 3, 4, 5), content(2, 1, 4, 5))
    words = (*ODD_WORDS, "float", "double", "block", "5 4 3", "(nan,0,0) (0,1,0) (0,0,1)", "(0,0,0) (0,0,0) (0,0,0)")
    words += ("(1e-30,0,0) (0,1e30,0) (0,0,1)", "(1e-300,0,0) (0,1,0) (0,0,1e300)", "5 4 9999999", "gzip", "left")
    return Form({"kind": "itk"}, ".nrrd", content(0, 4, 5, 6), others, _odd_line, fields, words)


def _odd_line(content: bytes, field: str, value: object) -> bytes:
    head, blank, rest = content.partition(b"\n\n")
    lines = [
        f"{field}: {value}".encode() if line.startswith(f"{field}:".encode()) else line for line in head.split(b"\n")
    ]
    return b"\n".join(lines) + blank + rest


@functools.cache
def hdf5() -> Form:
    """An array of pictures under the key x."""
    import h5py

    def content(values: np.ndarray, **how: Any) -> bytes:
        written = io.BytesIO()
        with h5py.File(written, "w") as file:
            file.create_dataset("x", data=values, **how)
        return written.getvalue()

    deep = content(_values(2, 4, 8, 6) / 7, compression="gzip", chunks=(2, 8, 6))
    others = (content(_values(1, 4, 8, 6, 3, dtype="uint8")), deep)
    return Form({"kind": "hdf5"}, ".h5", content(_values(0, 5, 7, 6, dtype="uint8")), others)


@functools.cache
def tiff() -> Form:
    """Stacks of pages, with what ImageJ says of their size."""
    import tifffile

    def content(values: np.ndarray, **how: Any) -> bytes:
        written = io.BytesIO()
        tifffile.imwrite(written, values, **how)
        return written.getvalue()

    sizes: dict[str, Any] = {
        "imagej": True,
        "resolution": (2.0, 2.0),
        "metadata": {"axes": "ZYX", "spacing": 3.0, "unit": "mm"},
    }
    plain = content(_values(2, 4, 8, 6) / np.float32(7), photometric="minisblack")
    others = (content(_values(1, 3, 8, 6, dtype="uint16"), **sizes), plain)
    others += (content(_values(3, 8, 6, 3, dtype="uint8"), compression="deflate"),)
    return Form({"kind": "tiff_pages"}, ".tif", content(_values(0, 4, 7, 6, dtype="uint16"), **sizes), others)


@functools.cache
def pictures() -> Form:
    """PNG of 8 and 16 bits, JPEG, BMP and TIFF."""
    from imagecodecs import png_encode
    from PIL import Image

    def content(seed: int, form: str) -> bytes:
        written = io.BytesIO()
        Image.fromarray(_values(seed, 9, 8, 3, dtype="uint8")).save(written, form)
        return written.getvalue()

    deep = bytes(png_encode(_values(5, 9, 8, dtype="uint16")))
    others = (content(1, "PNG"), deep, content(2, "JPEG"), content(3, "TIFF"), content(4, "BMP"))
    fields = ("IHDR", "IDAT", "IEND")
    return Form({"kind": "pictures"}, ".png", content(0, "PNG"), others, _odd_chunk, fields, PATCHES)


def _odd_chunk(content: bytes, field: str, value: object) -> bytes:
    """A chunk of PNG that begins otherwise, with the checksum that belongs to it."""
    at = content.find(field.encode())
    if not content.startswith(b"\x89PNG") or at < 4 or not isinstance(value, bytes):
        return content
    (length,) = struct.unpack(">I", content[at - 4 : at])
    chunk = content[at : at + 4] + (value + content[at + 4 + len(value) : at + 4 + length])[:length]
    return content[:at] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[at + 8 + length :]


FORMS: Sequence[Callable[[], Form]] = (dicom, nifti, nrrd, hdf5, tiff, pictures)
