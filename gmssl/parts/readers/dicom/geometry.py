"""From index to mm, and where slices are missing."""

from __future__ import annotations

from itertools import pairwise

from gmssl.lazy import numpy
from gmssl.parts.readers.dicom.stacks import Stack, heights

EVEN = 0.25
"""Share by which neighbouring distances of slices may differ; positions are often rounded to 0.1 mm."""


def affine_of(stack: Stack) -> numpy.ndarray | None:
    """Float64 `[4,4]` from (slice, row, column, 1) to mm in LPS; None where the spacing of the pixels is unknown.

    The step from slice to slice is that from the first position to the last, so that the sheared volumes of a tilted
    gantry are right, too.
    """
    first, last = stack[0], stack[-1]
    if first.spacing is None:
        return None
    affine = numpy.eye(4, dtype=numpy.float64)
    if len(stack) > 1:
        affine[:3, 0] = (numpy.array(last.position) - numpy.array(first.position)) / (len(stack) - 1)
    else:
        affine[:3, 0] = numpy.array(first.normal) * first.thickness
    affine[:3, 1] = numpy.array(first.orientation[3:]) * first.spacing[0]
    affine[:3, 2] = numpy.array(first.orientation[:3]) * first.spacing[1]
    affine[:3, 3] = first.position
    return affine


def even_parts(stack: Stack) -> list[Stack]:
    """Longest parts, from the first slice on, within which neighbours have the same distance."""
    at = heights(stack)
    steps = [b - a for a, b in pairwise(at)]
    parts, start = [], 0
    for k in range(1, len(stack)):
        step = steps[k - 1]
        first = k - start == 1  # then the gap is here if the next step is shorter
        if (k < len(steps) and step > (1 + EVEN) * steps[k]) if first else not _near(step, steps[start]):
            parts.append(stack[start:k])
            start = k
    return [*parts, stack[start:]]


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= EVEN * min(a, b)


def told(parts: list[Stack]) -> str:
    """Which gaps lie between parts."""
    at = [heights(part) for part in parts]
    inner = sorted(b - a for part in at for a, b in pairwise(part))
    usual = inner[len(inner) // 2] if inner else 0.0
    said = []
    for before, after in pairwise(at):
        gap = after[0] - before[-1]
        gone = round(gap / usual) - 1 if usual else 0
        what = f"{gone} missing" if gone > 0 else f"a step of {gap:.4g} mm"
        said.append(f"{what} between {before[-1]:.6g} and {after[0]:.6g} mm")
    more = f", and {len(said) - 3} more" if len(said) > 3 else ""
    usually = f" (usually {usual:.4g} mm apart)" if usual else ""
    return f"its slices{usually} are uneven along the normal: {'; '.join(said[:3])}{more}"
