"""Where each frame lies in space, and what tells it from the others at the same place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING

from gmssl.parts.readers.dicom.classes import modality
from gmssl.parts.readers.dicom.headers import FaultError, Header, items, number, numbers, text, whole

if TYPE_CHECKING:
    from pydicom import Dataset

Vector = tuple[float, ...]
Mark = float | str | Vector | None

MARKS = (
    "ImageType",
    "EchoTime",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "TriggerTime",
    "FrameReferenceTime",
    "InversionTime",
    "FlipAngle",
    "AcquisitionNumber",
    "AcquisitionTime",
)
"""What may tell slices at one place apart, in the order in which it is asked."""

_IN_FRAMES = {
    "ImageType": (("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence"), "FrameType"),
    "EchoTime": (("MREchoSequence",), "EffectiveEchoTime"),
    "TemporalPositionIdentifier": (("FrameContentSequence",), "TemporalPositionIndex"),
    "DiffusionBValue": (("MRDiffusionSequence",), "DiffusionBValue"),
    "TriggerTime": (("CardiacSynchronizationSequence",), "NominalCardiacTriggerDelayTime"),
    "FlipAngle": (("MRTimingAndRelatedParametersSequence",), "FlipAngle"),
    "AcquisitionNumber": (("FrameContentSequence",), "FrameAcquisitionNumber"),
    "AcquisitionTime": (("FrameContentSequence",), "FrameAcquisitionDateTime"),
}
"""Where enhanced files keep the same."""
_NO_MARKS: tuple[Mark, ...] = (None,) * len(MARKS)


@dataclass(frozen=True, eq=False, slots=True)
class File:
    """What is kept of a header while a source is listed, which may have millions of files.

    Attributes:
        name: path below the root of the source.
        size: in bytes.
        frames: number of its frames.
        uid, instance: SOPInstanceUID and InstanceNumber.
        patient, study, series: as the archive calls them; empty where it does not say.
        modality: in the words of the catalogue.
    """

    name: str
    size: int
    frames: int
    uid: str
    instance: int
    patient: str
    study: str
    series: str
    modality: str | None


@dataclass(frozen=True, eq=False, slots=True)
class Plane:
    """One frame of one file.

    Attributes:
        file: whose it is.
        frame: index in the file.
        position: centre of its first pixel in mm, LPS.
        orientation: direction of growing columns and of growing rows, as in ImageOrientationPatient.
        spacing: mm from row to row and from column to column; None where the file does not say, or says nonsense.
        thickness: mm from slice to slice as the header says; used where there is a single one.
        kind: frames that differ here never share a volume.
        marks: values of `MARKS`.
    """

    file: File
    frame: int
    position: Vector
    orientation: Vector
    spacing: Vector | None
    thickness: float
    kind: tuple[str, ...]
    marks: tuple[Mark, ...]

    @property
    def normal(self) -> Vector:
        """Unit vector that stands on the frame, along which slices are ordered."""
        a, b, c, d, e, f = self.orientation
        return (b * f - c * e, c * d - a * f, a * e - b * d)

    @property
    def number(self) -> tuple[int, int]:
        """Number of the image in its series, and of the frame in the image."""
        return self.file.instance, self.frame

    @property
    def order(self) -> tuple[str, int, int, int, str]:
        """An order that does not depend on names of files, unless all else is equal."""
        return (self.file.uid, *self.number, self.file.size, self.file.name)


def file_of(header: Header) -> File:
    """What is kept of a header.

    Raises:
        FaultError: the number of frames is no number.
    """
    words = ("SOPInstanceUID", "PatientID", "StudyInstanceUID", "SeriesInstanceUID")
    uid, patient, study, series = (intern(text(header.fields, word)) for word in words)
    try:
        instance = whole(header.fields, "InstanceNumber") or 0
    except FaultError:
        instance = 0
    return File(header.name, header.size, header.frames, uid, instance, patient, study, series, modality(header))


def planes_of(header: Header, file: File) -> tuple[Plane, ...]:
    """All frames of a file, in its order; none where the file does not say where they lie.

    Raises:
        FaultError: position or orientation are no numbers, or the numbers of frames contradict each other.
    """
    groups = items(header.fields, "PerFrameFunctionalGroupsSequence")
    if groups:
        if len(groups) != header.frames:
            raise FaultError(f"it has {header.frames} frames, but describes {len(groups)}")
        shared = next(iter(items(header.fields, "SharedFunctionalGroupsSequence")), None)
        return _all_or_none([_plane(header, file, k, [group, shared]) for k, group in enumerate(groups)])
    if header.frames > 1:
        return _stacked(header, file)
    plane = _plane(header, file, 0, [])
    return (plane,) if plane else ()


def _all_or_none(planes: Sequence[Plane | None]) -> tuple[Plane, ...]:
    found = tuple(plane for plane in planes if plane is not None)
    return found if len(found) == len(planes) else ()


def inner(groups: Sequence[Dataset | None], sequence: str) -> Dataset | None:
    """The first item of a sequence, of the frame's own groups or else of those that all frames share."""
    return next((found[0] for group in groups if (found := items(group, sequence))), None)


def _plane(header: Header, file: File, frame: int, groups: Sequence[Dataset | None]) -> Plane | None:
    own = header.fields
    where, how = inner(groups, "PlanePositionSequence"), inner(groups, "PlaneOrientationSequence")
    measures = inner(groups, "PixelMeasuresSequence")
    position = numbers(where if where is not None else own, "ImagePositionPatient", 3)
    orientation = numbers(how if how is not None else own, "ImageOrientationPatient", 6)
    if position is None or orientation is None:
        return None
    _check_orientation(orientation)
    spacing, thickness = _spacing(measures if measures is not None else own)
    stack = inner(groups, "FrameContentSequence")
    kind = (*_kind(header), text(stack, "StackID") if stack is not None else "")
    marks = tuple(_mark(own, groups, mark) for mark in MARKS)
    return Plane(file, frame, position, orientation, spacing, thickness, kind, marks)


def _check_orientation(orientation: Vector) -> None:
    across, down = orientation[:3], orientation[3:]
    lengths = math.hypot(*across), math.hypot(*down)
    if (
        any(abs(length - 1) > 0.01 for length in lengths)
        or abs(sum(a * b for a, b in zip(across, down, strict=True))) > 0.01
    ):
        raise FaultError("ImageOrientationPatient is no pair of perpendicular unit vectors")


def _spacing(fields: Dataset) -> tuple[Vector | None, float]:
    try:
        spacing = numbers(fields, "PixelSpacing", 2)
        between = number(fields, "SpacingBetweenSlices") or number(fields, "SliceThickness")
    except FaultError:
        return None, 1.0
    return spacing if spacing and min(spacing) > 0 else None, abs(between or 0) or 1.0


def _kind(header: Header) -> tuple[str, ...]:
    fields = header.fields
    words = (
        "SOPClassUID",
        "Rows",
        "Columns",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "EchoNumbers",
        "RescaleType",
    )
    return tuple(intern(text(fields, word)) for word in words)


def _mark(fields: Dataset, groups: Sequence[Dataset | None], mark: str) -> Mark:
    sequences, keyword = _IN_FRAMES.get(mark, ((), ""))
    found = next((f for sequence in sequences if (f := inner(groups, sequence)) is not None), None)
    if mark == "DiffusionGradientOrientation":
        diffusion = inner(groups, "MRDiffusionSequence")
        found = None if diffusion is None else inner([diffusion], "DiffusionGradientDirectionSequence")
        keyword = mark
    value = text(fields, mark) if found is None else text(found, keyword)
    try:
        return float(value)
    except ValueError:
        return intern(value)


def _stacked(header: Header, file: File) -> tuple[Plane, ...]:
    """Frames of nuclear medicine that say where the first one lies, and how far the next one is along the normal."""
    detectors = items(header.fields, "DetectorInformationSequence")
    step = number(header.fields, "SpacingBetweenSlices")
    reconstructed = "RECON TOMO" in text(header.fields, "ImageType").upper()
    if len(detectors) != 1 or not step or not reconstructed:
        return ()
    position = numbers(detectors[0], "ImagePositionPatient", 3)
    orientation = numbers(detectors[0], "ImageOrientationPatient", 6)
    if position is None or orientation is None:
        return ()
    _check_orientation(orientation)
    spacing, thickness = _spacing(header.fields)
    kind = _kind(header)
    first = Plane(file, 0, position, orientation, spacing, thickness, kind, _NO_MARKS)
    places = [_moved(position, first.normal, k * step) for k in range(header.frames)]
    return tuple(
        Plane(file, k, place, orientation, spacing, thickness, kind, _NO_MARKS) for k, place in enumerate(places)
    )


def _moved(position: Vector, direction: Vector, by: float) -> Vector:
    return tuple(p + by * d for p, d in zip(position, direction, strict=True))
