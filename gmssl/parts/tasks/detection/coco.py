"""COCO's JSON: one file for the boxes of many images, which are found in it by their file names."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from gmssl.parts.tasks.detection.annotation import Annotated, Annotation, AnnotationError


class Coco:
    """An opened file; `bbox` is [x, y, width, height] from the upper left edge, as COCO defines it."""

    def __init__(self, content: object) -> None:
        """Index what `read_json` gave.

        Raises:
            AnnotationError: it is no such file, or names images or categories that it does not list.
        """
        images, boxes, categories = (_list(content, key) for key in ("images", "annotations", "categories"))
        self._names = {_of(kind, "id", "a category"): str(_of(kind, "name", "a category")) for kind in categories}
        self._images = {_of(image, "id", "an image"): image for image in images}
        self._by_name: dict[str, list[Any]] = defaultdict(list)
        for key, image in self._images.items():
            self._by_name[PurePosixPath(_name(image)).name].append(key)
        self._boxes: dict[Any, list[Annotated]] = defaultdict(list)
        for number, box in enumerate(boxes, 1):
            key = _of(box, "image_id", f"annotation {number}")
            if key not in self._images:
                raise AnnotationError(f"annotation {number} is of an image {key!r} that the file does not list")
            self._boxes[key].append(self._box(box, number))

    def of(self, image: Path) -> Annotation | None:
        """What the file says of an image; None if it does not list it.

        Of several images of one name, that one is meant whose path the image's ends with.

        Raises:
            AnnotationError: two may be meant.
        """
        keys = self._by_name.get(image.name, [])
        if len(keys) > 1:
            ends = {key: PurePosixPath(_name(self._images[key])).parts for key in keys}
            keys = [key for key, parts in ends.items() if image.parts[-len(parts) :] == parts]
            longest = max((len(ends[key]) for key in keys), default=0)
            keys = [key for key in keys if len(ends[key]) == longest]
        if len(keys) > 1:
            raise AnnotationError(f"it lists {image.name!r} {len(keys)} times")
        if not keys:
            return None
        listed = self._images[keys[0]]
        width, height = listed.get("width"), listed.get("height")
        size = (width, height) if isinstance(width, int) and isinstance(height, int) and width and height else None
        return Annotation(tuple(self._boxes[keys[0]]), size)

    def _box(self, box: Mapping[str, Any], number: int) -> Annotated:
        where = f"annotation {number}"
        category = _of(box, "category_id", where)
        if category not in self._names:
            raise AnnotationError(f"{where} is of a category {category!r} that the file does not list")
        sides = _of(box, "bbox", where)
        sound = isinstance(sides, list) and len(sides) == 4 and all(map(_finite, sides))
        if not sound:
            raise AnnotationError(f"{where} has the bbox {sides!r} where COCO has [x, y, width, height]")
        x, y, width, height = map(float, sides)
        return Annotated((x, y, x + width, y + height), self._names[category], crowd=bool(box.get("iscrowd", 0)))


def read_json(file: Path) -> object:
    """The content of a file.

    Raises:
        AnnotationError: it is no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AnnotationError(f"it is no JSON ({error})") from None


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _list(content: object, key: str) -> Iterable[Mapping[str, Any]]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise AnnotationError(f"it has no list {key!r}, as COCO's files have")
    return found


def _of(thing: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in thing:
        raise AnnotationError(f"{where} has no {key!r}")
    return thing[key]


def _name(image: Mapping[str, Any]) -> str:
    return str(_of(image, "file_name", "an image")).replace("\\", "/")
