"""Pictures of an image with its boxes, its true and its predicted mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.interfaces.cases import Case
from gmssl.lazy import numpy
from gmssl.parts.tasks.images import case_image
from gmssl.parts.tasks.masks.fitting import Fitted
from gmssl.parts.tasks.masks.pictures import PALETTE, write_labels, write_picture
from gmssl.parts.tasks.prompts.boxes import Box

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Kept:
    """What a picture shows of a case.

    Attributes:
        case: its name and image.
        place: of the image on the network's grid.
        boxes: on that grid.
        labels: the class of each box, from 1.
        truth, predicted: booleans `[classes,h,w]`.
        dice: of each class; None where it is nowhere.
    """

    case: Case
    place: Fitted
    boxes: Sequence[Box]
    labels: Sequence[int]
    truth: numpy.ndarray
    predicted: numpy.ndarray
    dice: Mapping[str, float | None]


def write(kept: Kept, folder: Path, classes: Sequence[str]) -> list[Path]:
    """Write a picture of a case and its predicted classes; both are named after the case.

    Where predicted classes overlap, the label map has the later one.
    """
    stem = kept.case.name.replace("/", "_")
    image = case_image(kept.case.image, 3)
    drawn = with_boxes(image, [box_on(kept.place, box) for box in kept.boxes], kept.labels)
    dice = "  ".join(f"{name} {'–' if score is None else format(score, '.3f')}" for name, score in kept.dice.items())
    truth, predicted = _labelled(kept.truth), _labelled(kept.predicted)
    title = f"{kept.case.name}  Dice: {dice}"
    picture = write_picture(folder / f"{stem}.png", drawn, truth, predicted, classes, title)
    return [picture, write_labels(folder / f"{stem}_labels.png", predicted)]


def box_on(place: Fitted, box: Box) -> Box:
    """Corners of a box of the network's grid on the image itself, where whole numbers are edges of pixels."""
    (height, width), (inner_height, inner_width), (top, left) = place.own, place.inner, place.corner
    x1, y1, x2, y2 = box
    across, down = width / inner_width, height / inner_height
    return (x1 - left) * across, (y1 - top) * down, (x2 + 1 - left) * across, (y2 + 1 - top) * down


def with_boxes(image: Image.Image, boxes: Sequence[Box], labels: Sequence[int]) -> Image.Image:
    """The image with boxes in the colours of their classes, with a line that is seen at any size."""
    from PIL import ImageDraw

    drawn = image.copy()
    draw, line = ImageDraw.Draw(drawn), max(1, round(max(image.size) / 250))
    for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
        right, bottom = (min(round(at), length) - 1 for at, length in zip((x2, y2), image.size, strict=True))
        corners = (max(0, round(x1)), max(0, round(y1)), right, bottom)
        ordered = (min(corners[0], corners[2]), min(corners[1], corners[3]), *corners[2:])
        draw.rectangle(ordered, outline=PALETTE[(label - 1) % len(PALETTE)], width=line)
    return drawn


def _labelled(masks: numpy.ndarray) -> numpy.ndarray:
    """A label map `[h,w]` of masks `[classes,h,w]`."""
    labels = numpy.zeros(masks.shape[1:], numpy.uint8)
    for label, mask in enumerate(masks, start=1):
        labels[mask] = label
    return labels
