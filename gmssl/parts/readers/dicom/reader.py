"""The reader of DICOM files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition, LeftOut, Listing, Reader, Scan
from gmssl.parts.readers.dicom.classes import class_name, is_capture, is_localizer, no_image
from gmssl.parts.readers.dicom.headers import (
    FaultError,
    Header,
    NoDicomError,
    need_pydicom,
    quiet,
    read_header,
    text,
    words_of,
)
from gmssl.parts.readers.dicom.planes import file_of, planes_of
from gmssl.parts.readers.dicom.scans import read_picture, read_volume
from gmssl.parts.readers.dicom.volumes import Gaps, Volume, volumes_of
from gmssl.system.workers import of_the_machine


class Dicom(Reader):
    """DICOM files: single images, series of slices, multi-frame and enhanced files, of any transfer syntax but videos.

    Slices are ordered by their positions along the normal. A series becomes one volume for each orientation, size,
    echo, acquisition, time, b-value … that it holds, so that no place is taken twice.
    """

    kind: ClassVar[str] = "dicom"
    extensions: ClassVar[tuple[str, ...]] = ()

    gaps: Gaps = Field("keep", description="of series with missing slices: keep as one volume, split there, or refuse")
    localizers: bool = Field(False, description="read localizers, too")
    captures: bool = Field(False, description="read secondary captures without a place in the patient, too")

    def listing(self, root: Path, names: Sequence[str]) -> Listing:
        """Group files into acquisitions by their headers."""
        need_pydicom()
        with quiet():
            return self._listing(root, names)

    def read(self, root: Path, acquisition: Acquisition) -> Scan:
        """Read the values."""
        need_pydicom()
        with quiet():
            try:
                return self._read(root, acquisition)
            except FaultError as fault:
                raise DataError(f"{acquisition.name} cannot be read: {fault}.") from None

    def _listing(self, root: Path, names: Sequence[str]) -> Listing:
        left_out: list[LeftOut] = []

        def headers() -> Iterator[Header]:
            for name in sorted(names):
                found = self._header(root, name)
                if isinstance(found, Header):
                    yield found
                else:
                    left_out.append(found)

        volumes, further = volumes_of(headers(), self.gaps)
        return Listing(tuple(volume.acquisition for volume in volumes), (*left_out, *further))

    def _read(self, root: Path, acquisition: Acquisition) -> Scan:
        headers, volumes = _opened(root, acquisition.files, self.gaps, _stamps(root, acquisition.files))
        if volumes is not None:
            for volume in volumes:
                if volume.acquisition.name == acquisition.name:
                    return read_volume(volume.stack, headers) if volume.stack else read_picture(*headers.values())
        else:  # the order of the files is that of space
            stack = [plane for header in headers.values() for plane in planes_of(header, file_of(header))]
            if len(stack) == len(headers):
                return read_volume(stack, headers)
            if len(headers) == 1:
                return read_picture(*headers.values())
        raise DataError(
            f"the files of {acquisition.name} are no longer what they were listed as; list the source again."
        )

    def _header(self, root: Path, name: str) -> Header | LeftOut:
        try:
            header = read_header(root, name)
            reason = no_image(header) or self._not_asked_for(header)
        except NoDicomError:
            return LeftOut(name, "no DICOM file.", fault=False)
        except FaultError as fault:
            return LeftOut(name, f"{fault}.")
        return LeftOut(name, f"{reason}.", fault=False) if reason else header

    def _not_asked_for(self, header: Header) -> str | None:
        if not self.localizers and is_localizer(header):
            return "a localizer"
        placed = text(header.fields, "ImagePositionPatient") and text(header.fields, "ImageOrientationPatient")
        if not self.captures and is_capture(header) and not placed:
            return f"a secondary capture ({class_name(header)}) without a place in the patient"
        return None


@lru_cache(maxsize=1)
def _opened(
    root: Path, files: tuple[str, ...], gaps: Gaps, stamps: tuple[tuple[int, int], ...]
) -> tuple[dict[str, Header], list[Volume] | None]:
    """Headers by name, and the volumes of files of many frames; None for those of one frame.

    The last answer is kept, as a file of many volumes is asked once for each.
    """
    headers = {name: _header_again(root, name) for name in files}
    many = any(header.frames > 1 for header in headers.values())
    return headers, volumes_of(headers.values(), gaps)[0] if many else None


def _stamps(root: Path, files: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Times and sizes of files, which differ where a file was changed."""
    found = []
    for name in files:
        try:
            status = (root / name).stat()
        except OSError as error:
            if of_the_machine(error):
                raise
            raise DataError(f"{name} cannot be opened ({words_of(error)}).") from None
        found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)


def _header_again(root: Path, name: str) -> Header:
    try:
        return read_header(root, name)
    except NoDicomError:
        raise DataError(f"{name} cannot be read: it is no DICOM file.") from None
    except FaultError as fault:
        raise DataError(f"{name} cannot be read: {fault}.") from None
