"""Which values of a scan become black and white."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from gmssl.errors import DataError
from gmssl.interfaces.reader import Scan, Window
from gmssl.interfaces.registry import field_of
from gmssl.lazy import numpy

Percent = Annotated[float, Field(ge=0, le=100)]
Preset = Literal["soft_tissue", "lung", "bone", "brain", "liver", "mediastinum", "wide"]

PRESETS: dict[str, tuple[float, float]] = {
    "soft_tissue": (-160, 240),
    "lung": (-1350, 150),
    "bone": (-500, 1300),
    "brain": (0, 80),
    "liver": (-45, 105),
    "mediastinum": (-125, 225),
    "wide": (-1024, 3071),
}
"""Hounsfield units that become black and white.

Width and level of lung 1500/-600, bone 1800/400, brain 80/40, liver 150/30 and mediastinum 350/50 from Murphy et al.,
"Windowing (CT)", radiopaedia.org/articles/windowing-ct; soft tissue 400/40 from Ma et al., "Segment anything in medical
images", Nature Communications 15 (2024); wide is all that 12 bits hold.
"""


class Hounsfield(Window):
    """A named window of computed tomography, the same for every scan."""

    kind: ClassVar[str] = "hounsfield"

    preset: Preset = Field("soft_tissue", description="which of the windows that radiologists use")

    def bounds(self, scan: Scan, modality: str | None) -> tuple[float, float]:
        """See `Window.bounds`; scans of another unit are refused."""
        if scan.unit != "HU":
            raise DataError(
                f"the window {self.preset} is of Hounsfield units, and this scan does not say that it has them; if it "
                "is CT, set the reader's unit to HU, otherwise use window kind percentiles."
            )
        return PRESETS[self.preset]


class Percentiles(Window):
    """Percentiles of all values of a scan that are valid and finite, exactly, with linear interpolation.

    Where both are equal, as of masks, the least and the greatest value; where all values are equal, they become black.
    """

    kind: ClassVar[str] = "percentiles"

    low: Percent = Field(0.5, description="percentile that becomes black")
    high: Percent = Field(99.5, description="percentile that becomes white")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} is not below high={self.high:g}; exchange them")
        return self

    def bounds(self, scan: Scan, modality: str | None) -> tuple[float, float]:
        """See `Window.bounds`."""
        low, high = _percentiles(scan, [self.low, self.high])
        return (low, high) if low < high else _ends(scan)


class Full(Window):
    """From the least to the greatest value that is valid and finite; where all are equal, they become black."""

    kind: ClassVar[str] = "full"

    def bounds(self, scan: Scan, modality: str | None) -> tuple[float, float]:
        """See `Window.bounds`."""
        return _ends(scan)


class Given(Window):
    """The same two values for every scan, whatever its unit."""

    kind: ClassVar[str] = "given"

    lower: float = Field(description="value that becomes black")
    upper: float = Field(description="value that becomes white")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.lower < self.upper:
            raise ValueError(f"lower={self.lower:g} is not below upper={self.upper:g}; exchange them")
        return self

    def bounds(self, scan: Scan, modality: str | None) -> tuple[float, float]:
        """See `Window.bounds`."""
        return self.lower, self.upper


class Header(Window):
    """The window that the file itself asks to be shown with; where it has none, another one."""

    kind: ClassVar[str] = "header"

    otherwise: field_of(Window) = Field(Percentiles(), description="window of files that say nothing")  # type: ignore[valid-type]

    def bounds(self, scan: Scan, modality: str | None) -> tuple[float, float]:
        """See `Window.bounds`."""
        if scan.window is not None and -math.inf < scan.window[0] < scan.window[1] < math.inf:
            return scan.window
        return self.otherwise.bounds(scan, modality)


class ByModality(Window):
    """Pictures of 8 bits and colours of 8 bits as they are, CT by one window, everything else by another."""

    kind: ClassVar[str] = "by_modality"

    ct: field_of(Window) = Field(Hounsfield(), description="window of modality ct")  # type: ignore[valid-type]
    others: field_of(Window) = Field(Percentiles(), description="window of all other scans")  # type: ignore[valid-type]

    def bounds(self, scan: Scan, modality: str | None) -> tuple[float, float]:
        """See `Window.bounds`."""
        if len(scan.frames) == 0:
            raise DataError("the scan has no image, so there is nothing to map to grey.")
        first = scan.frames[0]
        if first.dtype == numpy.uint8 and (first.ndim == 3 or (scan.affine is None and scan.unit is None)):
            return 0.0, 255.0
        return (self.ct if modality == "ct" else self.others).bounds(scan, modality)


def _frames(scan: Scan) -> Iterator[numpy.ndarray]:
    """The values of each frame that are valid and finite, flat."""
    for number in range(len(scan.frames)):
        values = numpy.asarray(scan.frames[number])
        if scan.valid is not None:
            values = values[numpy.asarray(scan.valid[number])]
        values = values.ravel()
        yield values[numpy.isfinite(values)] if numpy.issubdtype(values.dtype, numpy.floating) else values


def _ends(scan: Scan) -> tuple[float, float]:
    ends = [(float(values.min()), float(values.max())) for values in _frames(scan) if values.size]
    if not ends:
        raise DataError(_NOTHING)
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if low < high:
        return low, high
    above = low + 1 if low + 1 > low else math.nextafter(low, math.inf)
    return (low, above) if above < math.inf else (math.nextafter(low, 0.0), low)


_NOTHING = "the scan has no value that is finite and valid, so there is nothing to map to grey."


def _percentiles(scan: Scan, shares: list[float]) -> list[float]:
    """Exact, and in the memory of one frame for whole numbers of up to 16 bits."""
    if len(scan.frames) == 0:
        raise DataError(_NOTHING)
    type_ = numpy.asarray(scan.frames[0]).dtype
    if numpy.issubdtype(type_, numpy.integer) and type_.itemsize <= 2:
        least, most = numpy.iinfo(type_).min, numpy.iinfo(type_).max
        counts = numpy.zeros(int(most) - int(least) + 1, dtype=numpy.int64)
        for values in _frames(scan):
            counts += numpy.bincount(values.astype(numpy.int64) - int(least), minlength=len(counts))
        upto = counts.cumsum()
        number = int(upto[-1])

        def ranked(ranks: list[int]) -> list[float]:
            return [float(r) + int(least) for r in numpy.searchsorted(upto, ranks, side="right")]
    else:
        flat = numpy.concatenate(list(_frames(scan)))
        number = flat.size

        def ranked(ranks: list[int]) -> list[float]:
            parted = numpy.partition(flat, sorted(set(ranks)))
            return [float(parted[rank]) for rank in ranks]

    if number == 0:
        raise DataError(_NOTHING)
    places = [share / 100 * (number - 1) for share in shares]
    whole = [min(int(place), number - 1) for place in places]
    ranks = [rank for low in whole for rank in (low, min(low + 1, number - 1))]
    ends = ranked(ranks)
    between = zip(ends[::2], ends[1::2], (place - low for place, low in zip(places, whole, strict=True)), strict=True)
    return [low if low == high else low * (1 - part) + high * part for low, high, part in between]
