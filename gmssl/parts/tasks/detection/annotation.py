"""Boxes as annotation says them, from Pascal VOC and YOLO here; whatever the form, all end as edges in pixels.

A box is (x1, y1, x2, y2) with x1 < x2 and y1 < y2: lines between pixels, counted from the left and upper edge of the
image, so that (0, 0, width, height) is the whole of it and the area of a box is (x2 - x1) · (y2 - y1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2."""

PASCAL, EDGES = "pixels", "edges"
"""What corners of VOC files are: the first and the last pixel, counted from 1, or lines between pixels from 0."""


class AnnotationError(ValueError):
    """Annotation that cannot be read; the text is what is wrong with the file, which the caller names."""


@dataclass(frozen=True)
class Annotated:
    """A box as a file says it, neither checked against the image nor against the classes.

    `reader` is who drew it, where the file says so.
    """

    corners: Corners
    name: str
    difficult: bool = False
    crowd: bool = False
    reader: str = ""


@dataclass(frozen=True)
class Annotation:
    """What a file says of an image.

    Attributes:
        boxes: in the order of the file.
        size: width and height of the image as the file states them; None where it does not.
    """

    boxes: tuple[Annotated, ...]
    size: tuple[int, int] | None = None


def voc(file: Path, corners: str) -> Annotation:
    """Pascal VOC's XML: `object/name` and `object/bndbox`.

    Corners of Pascal VOC are the first and the last pixel of the object, counted from 1 (VOC development kit, 2012):
    1 is taken from xmin and ymin, and xmax and ymax stay, as detectron2 reads them. With `EDGES` all four stay.

    Raises:
        AnnotationError: it is no such file, or an object has no name or box.
    """
    try:
        root = ElementTree.parse(file).getroot()
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise AnnotationError(f"it is no XML ({error})") from None
    if root.tag != "annotation":
        raise AnnotationError(f"it begins with <{root.tag}> where Pascal VOC has <annotation>")
    first = 1.0 if corners == PASCAL else 0.0
    boxes = []
    for at, thing in enumerate(root.iter("object"), 1):
        name = (thing.findtext("name") or "").strip()
        if not name:
            raise AnnotationError(f"object {at} has no name")
        x1, y1, x2, y2 = (
            number(thing.findtext(f"bndbox/{key}"), f"{key} of object {at}") for key in ("xmin", "ymin", "xmax", "ymax")
        )
        difficult = (thing.findtext("difficult") or "0").strip() == "1"
        boxes.append(Annotated((x1 - first, y1 - first, x2, y2), name, difficult))
    size = tuple(number(root.findtext(f"size/{side}") or "0", f"size/{side}") for side in ("width", "height"))
    return Annotation(tuple(boxes), (int(size[0]), int(size[1])) if all(size) else None)


def yolo(file: Path, size: tuple[int, int], classes: Sequence[str]) -> Annotation:
    """YOLO's text: a class number, centre, width and height of a box on each line, as shares of the image.

    Args:
        file: an empty one is an image without boxes.
        size: width and height of the image.
        classes: names by number; where there are none, the numbers are the names.

    Raises:
        AnnotationError: a line is no such line, or a number has no name.
    """
    boxes = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"it is no text ({error})") from None
    for row, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 5:
            raise AnnotationError(f"line {row} has {len(words)} numbers where a box has 5")
        if not words[0].isdecimal():
            raise AnnotationError(f"line {row} begins with {words[0]!r} where the number of a class stands")
        at = int(words[0])
        if classes and at >= len(classes):
            raise AnnotationError(f"line {row} is of class {at}, and task.classes names 0…{len(classes) - 1}")
        x, y, w, h = (number(word, f"line {row}") for word in words[1:])
        left, upper, right, lower = x - w / 2, y - h / 2, x + w / 2, y + h / 2
        corners = (left * size[0], upper * size[1], right * size[0], lower * size[1])
        boxes.append(Annotated(corners, classes[at] if classes else str(at)))
    return Annotation(tuple(boxes))


def number(given: object, where: str) -> float:
    """A finite number, from text, too.

    Raises:
        AnnotationError: it is none, or is missing.
    """
    if given is None or given == "":
        raise AnnotationError(f"{where} is missing")
    try:
        value = float(given) if isinstance(given, str | int | float) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnnotationError(f"{where} is {given!r} and no number")
    return value
