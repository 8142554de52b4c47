"""Boxes in a CSV file, a box a row, as VinDr-CXR, RetinaNet's examples and converters of Pascal VOC write them."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from gmssl.parts.tasks.detection.annotation import Annotated, Annotation, AnnotationError, number

_COLUMNS: dict[str, tuple[str, ...]] = {
    "image": ("image_id", "image", "filename", "file_name", "path"),
    "class": ("class_name", "class", "label", "category"),
    "reader": ("rad_id", "reader", "annotator"),
}
"""Names that a column may have, without regard to case; the first that is there counts."""
_CORNERS = (("x_min", "y_min", "x_max", "y_max"), ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))
_SIDES = (("x", "y", "width", "height"), ("x", "y", "w", "h"))


class Spreadsheet:
    """An opened file. Corners are edges from 0 on; `x, y, width, height` begin at the upper left edge.

    A row whose four numbers are empty says that its image shows nothing, as `No finding` of VinDr-CXR does.
    """

    def __init__(self, file: Path) -> None:
        """Index the rows.

        Raises:
            AnnotationError: it is no CSV in UTF-8, lacks a column, or a row has no number where one stands.
        """
        rows, columns = _rows(file)
        self._column = {
            what: next((columns[name] for name in names if name in columns), None) for what, names in _COLUMNS.items()
        }
        self._numbers = next(([columns[n] for n in form] for form in _CORNERS if set(form) <= set(columns)), None)
        self._sides = None
        if self._numbers is None:
            self._sides = next(([columns[n] for n in form] for form in _SIDES if set(form) <= set(columns)), None)
        size = [columns[n] for n in ("width", "height") if n in columns]
        self._size = size if len(size) == 2 and self._numbers else None
        if not (self._column["image"] and self._column["class"] and (self._numbers or self._sides)):
            raise AnnotationError(
                f"it has the columns {', '.join(columns.values()) or 'none'}; boxes need an image "
                f"({', '.join(_COLUMNS['image'])}), a class ({', '.join(_COLUMNS['class'])}), and x_min, y_min, x_max, "
                "y_max or x, y, width, height"
            )
        self._of: dict[PurePosixPath, Annotation] = {}
        self._by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
        of_image: dict[PurePosixPath, list[tuple[int, Mapping[str, str]]]] = defaultdict(list)
        for line, row in enumerate(rows, 2):
            of_image[PurePosixPath(row[self._column["image"]].replace("\\", "/"))].append((line, row))
        for image, its in of_image.items():
            self._of[image] = self._annotation(its)
            self._by_name[image.name].append(image)

    def of(self, image: Path) -> Annotation | None:
        """What the file says of an image, by its name with or without ending; None if it does not list it.

        Of several images of one name, that one is meant whose path the image's ends with.
        """
        listed = self._by_name.get(image.name) or self._by_name.get(image.stem) or []
        folders = image.parent.parts
        fits = [one for one in listed if not one.parent.parts or folders[-len(one.parent.parts) :] == one.parent.parts]
        return self._of[max(fits, key=lambda one: len(one.parts))] if fits else None

    def _annotation(self, rows: Sequence[tuple[int, Mapping[str, str]]]) -> Annotation:
        boxes = [box for line, row in rows if (box := self._box(line, row)) is not None]
        if self._size is None:
            return Annotation(tuple(boxes))
        wide, high = self._size
        sizes = {tuple(int(number(row[c], f"{c} in line {line}")) for c in (wide, high)) for line, row in rows}
        if len(sizes) > 1:
            raise AnnotationError(f"line {rows[0][0]} and others say different sizes of one image")
        ((width, height),) = sizes
        return Annotation(tuple(boxes), (width, height))

    def _box(self, line: int, row: Mapping[str, str]) -> Annotated | None:
        columns = self._numbers or self._sides or []
        if not any(row[column].strip() for column in columns):
            return None
        a, b, c, d = (number(row[column].strip(), f"{column} in line {line}") for column in columns)
        name = row[self._column["class"] or ""].strip()
        if not name:
            raise AnnotationError(f"line {line} has a box and no class")
        corners = (a, b, c, d) if self._numbers else (a, b, a + c, b + d)
        return Annotated(corners, name, reader=row[self._column["reader"]].strip() if self._column["reader"] else "")


def _rows(file: Path) -> tuple[list[dict[str, str]], dict[str, str]]:
    """The rows, and the columns: name in lower case → as the file has it."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True)
            rows = [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
            names = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"it is no CSV in UTF-8 ({error})") from None
    return rows, {name.strip().lower(): name for name in names}
