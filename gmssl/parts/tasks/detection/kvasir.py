"""The JSON of boxes that Kvasir-SEG and HyperKvasir come with (`kavsir_bboxes.json`, `bounding-boxes.json`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from gmssl.parts.tasks.detection.annotation import Annotated, Annotation, AnnotationError, number


def is_kvasir(content: object) -> TypeGuard[Mapping[str, Mapping[str, Any]]]:
    """Whether it maps names of images to mappings with `bbox`."""
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(image, dict) and isinstance(image.get("bbox"), list) for image in content.values())
    )


class Kvasir:
    """Images by name without ending: `height`, `width`, and a list `bbox` of `label`, `xmin`, `ymin`, `xmax`, `ymax`.

    Corners are taken as edges from 0 on. Its documentation does not say whether the last pixel is meant; a polyp would
    then be a pixel wider and higher than is read here.
    """

    def __init__(self, images: Mapping[str, Mapping[str, Any]]) -> None:
        self._images = images

    def of(self, image: Path) -> Annotation | None:
        """What the file says of an image; None if it does not list it.

        Raises:
            AnnotationError: a box lacks its label or a number.
        """
        listed = self._images.get(image.stem)
        if listed is None:
            return None
        boxes = []
        for place, box in enumerate(listed["bbox"], 1):
            where = f"box {place} of {image.stem!r}"
            if not isinstance(box, dict) or not box.get("label"):
                raise AnnotationError(f"{where} has no label")
            x1, y1, x2, y2 = (number(box.get(key), f"{key} of {where}") for key in ("xmin", "ymin", "xmax", "ymax"))
            boxes.append(Annotated((x1, y1, x2, y2), str(box["label"])))
        width, height = listed.get("width"), listed.get("height")
        size = (width, height) if isinstance(width, int) and isinstance(height, int) else None
        return Annotation(tuple(boxes), size)
