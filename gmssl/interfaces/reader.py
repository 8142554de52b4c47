"""Readers take the files of an archive apart into acquisitions and read them; windows map their values to grey.

Coordinates are those of DICOM and ITK (LPS): x grows to the patient's left, y to the back, z to the head, in mm.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from gmssl.errors import DataError
from gmssl.interfaces.part import Part
from gmssl.lazy import numpy


class LibraryError(DataError):
    """A library that a reader needs is missing: no fault of a file, so a build stops and counts nothing."""


@dataclass(frozen=True)
class Acquisition:
    """What is read in one go: a picture, a series of slices, a volume, a slide, a file of many images.

    Attributes:
        name: unique within its source and the same on every machine, such as the path of a file below the root.
        files: paths below the root of the source with forward slashes; slices in the order of space.
        patient, study, series: as the archive calls them (a store keeps them hashed); None where it does not say.
        modality: in the words of the catalogue (`ct`, `mri`, `x-ray` …), where the files say it; None otherwise.
        frames: number of its images along the acquired axis, where known without decoding; 1 otherwise.
    """

    name: str
    files: tuple[str, ...]
    patient: str | None = None
    study: str | None = None
    series: str | None = None
    modality: str | None = None
    frames: int = 1


@dataclass(frozen=True)
class LeftOut:
    """Files that give no image, and what is to be told of those that do, which is no fault.

    Attributes:
        name: path below the root, or name of the series.
        reason: in words that need no program to be understood.
        fault: whether something is broken, which counts towards the limit of a recipe; a localizer is not.
    """

    name: str
    reason: str
    fault: bool = True


@dataclass(frozen=True)
class Listing:
    """What the files of a source are: acquisitions in a fixed order, and what is left out."""

    acquisitions: tuple[Acquisition, ...]
    left_out: tuple[LeftOut, ...] = ()


class Frames(Protocol):
    """Images `[H,W]` or `[H,W,3]` of one type, by index; a numpy array `[K,H,W]` is one."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def __getitem__(self, index: int) -> numpy.ndarray:
        """One image."""
        ...


@dataclass(frozen=True, eq=False)
class Scan:
    """The values of an acquisition.

    Attributes:
        frames: `[K,H,W]` or `[K,H,W,3]` in the scanner's values after its own scale (Hounsfield units for CT): an array
            for volumes, so that they can be cut along any axis, and any `Frames` where a whole file does not fit into
            memory.
        affine: float64 `[4,4]` from (k, row, column, 1) to mm in LPS, at centres of voxels; None for pictures.
        unit: "HU" where values are Hounsfield units, otherwise None.
        inverted: small values are bright (MONOCHROME1).
        valid: bool `[K,H,W]`, an array where `frames` are one; False where the scanner padded. None: all are
            valid.
        window: (lower, upper) bound that the file itself asks to be shown with; None where it does not.
        encoded: for each frame the bytes of a JPEG, PNG … file that decodes to exactly this 8-bit frame, so that a
            store may keep them as they are; None otherwise.
    """

    frames: Frames
    affine: numpy.ndarray | None = None
    unit: str | None = None
    inverted: bool = False
    valid: Frames | None = None
    window: tuple[float, float] | None = None
    encoded: tuple[bytes, ...] | None = None


class Reader(Part):
    """Reads one form of files. Libraries are imported when they are needed, and named where they are missing."""

    slot: ClassVar[str] = "reader"

    extensions: ClassVar[tuple[str, ...]] = ()
    """Ends of names, in lower case with their dot, that a source without `include` gives to this reader; none: all."""

    @abstractmethod
    def listing(self, root: Path, names: Sequence[str]) -> Listing:
        """Group files into acquisitions; headers may be read, pixels are not.

        Args:
            root: folder of the source.
            names: sorted paths below it with forward slashes.

        Broken files are `LeftOut`, each with its reason; every name is in one acquisition or left out, but for
        companions (the raw data of a header).

        Raises:
            LibraryError: a library is missing; the message names the extra.
        """

    @abstractmethod
    def read(self, root: Path, acquisition: Acquisition) -> Scan:
        """Read the values.

        Raises:
            DataError: the files are damaged, or are not what this reader reads; the message names the file.
            LibraryError: as in `listing`.
        """


class Window(Part):
    """Maps the values of a scan to grey or colour in [0, 1]."""

    slot: ClassVar[str] = "window"

    @abstractmethod
    def bounds(self, scan: Scan, modality: str | None) -> tuple[float, float]:
        """The values that become black and white, of the whole scan and never of a slice; lower < upper.

        Raises:
            DataError: this window has no meaning for such a scan (Hounsfield units for MR), or no value is finite.
        """
