"""What a file shows, by its class and type: which are no images of a patient, and the modality of those that are."""

from __future__ import annotations

from gmssl.parts.readers.dicom.headers import DIRECTORY, NATIVE, UNDEFINED, FaultError, Header, text, whole

MODALITIES = {
    "CT": "ct",
    "MR": "mri",
    "PT": "pet",
    "US": "ultrasound",
    "IVUS": "ultrasound",
    "OPT": "oct",
    "IVOCT": "oct",
    "OCT": "oct",
    "OP": "colour",
    "XC": "colour",
    "DMS": "colour",
    "ES": "endoscopy",
    "GM": "microscopy",
    "SM": "histology",
} | dict.fromkeys(("CR", "DX", "MG", "XA", "RF", "IO", "PX", "RG", "RTIMAGE", "DG"), "x-ray")

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
CAPTURES = "1.2.840.10008.5.1.4.1.1.7"
LOCALIZERS = {"LOCALIZER", "SCOUT", "TOPOGRAM"}
VIDEO = "1.2.840.10008.1.2.4.10"  # and the UIDs that begin so: MPEG-2, MPEG-4, HEVC


def class_name(header: Header) -> str:
    """Name of the SOP class without the word Storage; empty where the file has none."""
    from pydicom.uid import UID

    return UID(text(header.fields, "SOPClassUID")).name.removesuffix(" Storage").strip()


def syntax_name(uid: str) -> str:
    """Name of a transfer syntax, such as JPEG Baseline (Process 1)."""
    from pydicom.uid import UID

    return UID(uid).name


def modality(header: Header) -> str | None:
    """In the words of the catalogue; None where they have no word for it."""
    return MODALITIES.get(text(header.fields, "Modality").upper())


def is_capture(header: Header) -> bool:
    """Whether it is a secondary capture, of one frame or many."""
    uid = text(header.fields, "SOPClassUID")
    return uid == CAPTURES or uid.startswith(CAPTURES + ".")


def is_localizer(header: Header) -> bool:
    """Whether it was acquired to plan others."""
    return bool(LOCALIZERS & set(text(header.fields, "ImageType").upper().split("\\")))


def no_image(header: Header) -> str | None:
    """Why a file is not meant to be read as an image, though nothing is wrong with it; None if it is.

    Raises:
        FaultError: it should be an image, but is broken.
    """
    uid, name = text(header.fields, "SOPClassUID"), class_name(header)
    if uid == DIRECTORY or "DirectoryRecordSequence" in header.fields:
        return "a list of other files (DICOMDIR)"
    if uid in SEGMENTATIONS:
        return "no image, but a segmentation of one (SEG)"
    if uid == DOSE:
        return "no image, but a radiotherapy dose"
    if uid == SLIDE:
        return "a whole slide in tiles, which is read by readers of slides"
    if "MOSAIC" in text(header.fields, "ImageType").upper().split("\\"):
        return "a mosaic of slices in one image, which is not taken apart; convert its series to NIfTI with dcm2niix"
    if header.keyword:
        if header.syntax.startswith(VIDEO):
            return f"a video ({syntax_name(header.syntax)}), which is not read; write its frames as pictures (ffmpeg)"
        _check(header)
        return None
    if "Image" in name or whole(header.fields, "Rows"):
        raise FaultError(
            f"it says that it is an image ({name or 'of no class'}), but has no pixels, or ends before them"
        )
    return f"no image, but {name}" if name else "it holds no pixels"


def _check(header: Header) -> None:
    fields = header.fields
    if header.missing:
        raise FaultError(
            f"it is truncated: the last {header.missing} of {header.length} bytes of its pixels are missing"
        )
    rows, columns = whole(fields, "Rows"), whole(fields, "Columns")
    if not rows or not columns or rows < 1 or columns < 1:
        raise FaultError(f"its size is {rows or 0}×{columns or 0} pixels")
    native = header.syntax in NATIVE
    if header.length == UNDEFINED and native:
        raise FaultError(f"its transfer syntax is {syntax_name(header.syntax)}, but its pixels are compressed")
    if header.length == 0:
        raise FaultError("it has no pixels: their element is empty")
    samples, bits = whole(fields, "SamplesPerPixel") or 1, whole(fields, "BitsAllocated") or 0
    if samples not in (1, 3):
        raise FaultError(f"it has {samples} samples for each pixel, where 1 (grey) and 3 (colour) are read")
    if native and bits:
        _check_length(header, rows * columns * samples * header.frames * bits)
    # A compressed frame has a header of eight bytes; frames are listed, and false numbers of them fill the memory.
    follow = header.size - header.offset
    if not native and 8 * header.frames > max(follow, 8):
        raise FaultError(
            f"its header asks for {header.frames} frames, but {follow} bytes of pixels follow; it is cut off or damaged"
        )


def _check_length(header: Header, bits: int) -> None:
    if text(header.fields, "PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    if header.length < bits // 8:
        raise FaultError(
            f"its header asks for {bits // 8} bytes of pixels, but there are {header.length}; they are cut off, or of "
            "another size or transfer syntax than it says"
        )
