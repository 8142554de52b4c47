"""One box for what several readers saw: boxes of an image that mean the same thing become their mean.

Solovyev, Wang and Gabruseva, "Weighted boxes fusion", Image and Vision Computing 107 (2021), with equal weights: a box
joins the group of its class whose mean it overlaps most, if their IoU is large enough, or else begins a group.
Differently from there, a reader has at most one box in a group, since two boxes of one reader are two findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gmssl.parts.tasks.detection.annotation import Annotated, Corners


def readers_of(boxes: Sequence[Annotated]) -> int:
    """Number of readers whose boxes these are."""
    return len({box.reader for box in boxes})


def fused(boxes: Sequence[Annotated], least: float) -> tuple[Annotated, ...]:
    """The means of groups, in the order of their first boxes.

    Args:
        boxes: of one image, of all classes and readers.
        least: IoU in (0, 1] from which a box and the mean of a group are one; 1 joins equal boxes only.
    """
    groups: list[list[Annotated]] = []
    for box in boxes:
        best, found = least, None
        for group in groups:
            if group[0].name != box.name or any(other.reader == box.reader for other in group):
                continue
            overlap = iou(_mean(group), box.corners)
            if overlap >= best and (found is None or overlap > best):
                best, found = overlap, group
        if found is None:
            groups.append([box])
        else:
            found.append(box)
    return tuple(replace(group[0], corners=_mean(group), reader="") for group in groups)


def iou(one: Corners, other: Corners) -> float:
    """Intersection over union; 0 where a box has no area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (first + second - width * height)


def _mean(group: Sequence[Annotated]) -> Corners:
    x1, y1, x2, y2 = (sum(sides) / len(group) for sides in zip(*(box.corners for box in group), strict=True))
    return x1, y1, x2, y2
