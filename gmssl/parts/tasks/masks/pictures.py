"""Pictures of an image beside its true and its predicted mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.lazy import numpy
from gmssl.parts.tasks.masks.reading import UNCOUNTED

if TYPE_CHECKING:
    from PIL import Image

PALETTE = ((0, 158, 115), (230, 159, 0), (86, 180, 233), (204, 121, 167), (240, 228, 66), (213, 94, 0), (0, 114, 178))
"""Colours of classes that people with any sight of colours can tell apart (Okabe and Ito)."""

RIGHT, MISSED, INVENTED = (255, 255, 255), (0, 114, 178), (213, 94, 0)
"""Colours of pixels in both masks, in the true one only, and in the predicted one only."""

_LEAST, _MOST, _GAP, _LINE = 200, 512, 6, 18
"""Pixels: bounds of the longer side of a panel, between panels, and of a line of text."""


def write_picture(
    path: Path,
    image: Image.Image,
    truth: numpy.ndarray,
    predicted: numpy.ndarray,
    classes: Sequence[str],
    title: str = "",
    counted: numpy.ndarray | None = None,
) -> Path:
    """Write image, truth, prediction and their difference side by side as PNG.

    Args:
        path: the file.
        image: of any size; it is brought to that of the masks.
        truth, predicted: label maps `[H,W]`, 0 for the background.
        classes: names of labels 1, 2, …
        title: a line above, such as the name of the case and its score.
        counted: pixels that are scored; the others are dimmed.

    Returns:
        `path`.
    """
    from PIL import Image

    pixels = numpy.asarray(image.convert("RGB").resize(truth.shape[::-1], Image.Resampling.BILINEAR))
    outside = numpy.zeros(truth.shape, bool) if counted is None else ~counted
    panels = [
        ("image", pixels),
        ("truth", _overlaid(pixels, truth, outside)),
        ("prediction", _overlaid(pixels, predicted, outside)),
        ("difference", _difference(truth, predicted, outside)),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    _sheet(panels, title, _legend(classes)).save(path)
    return path


def write_labels(path: Path, labels: numpy.ndarray) -> Path:
    """Write a label map `[H,W]` as grey PNG, whose values are 0 for the background and 1, 2, … for the classes."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(numpy.uint8)).save(path)
    return path


def _overlaid(pixels: numpy.ndarray, labels: numpy.ndarray, outside: numpy.ndarray) -> numpy.ndarray:
    """The image with a tint within classes and a line along their edges."""
    drawn = pixels.astype(numpy.float32)
    for label in numpy.unique(labels[(labels > 0) & (labels != UNCOUNTED)]):
        colour = numpy.array(PALETTE[(int(label) - 1) % len(PALETTE)], numpy.float32)
        inside = labels == label
        drawn[inside] = 0.6 * drawn[inside] + 0.4 * colour
        drawn[_edge(inside)] = colour
    drawn[outside] *= 0.35
    return drawn.astype(numpy.uint8)


def _edge(inside: numpy.ndarray) -> numpy.ndarray:
    around = numpy.pad(inside, 1)
    whole = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return inside & ~whole


def _difference(truth: numpy.ndarray, predicted: numpy.ndarray, outside: numpy.ndarray) -> numpy.ndarray:
    drawn = numpy.full((*truth.shape, 3), 32, numpy.uint8)
    drawn[(truth == predicted) & (truth > 0)] = RIGHT
    drawn[(truth != predicted) & (predicted > 0)] = INVENTED
    drawn[(truth != predicted) & (truth > 0)] = MISSED  # a wrong class is a miss of the right one
    drawn[outside] = 0
    return drawn


def _legend(classes: Sequence[str]) -> list[tuple[str, tuple[int, int, int]]]:
    named = [(name, PALETTE[number % len(PALETTE)]) for number, name in enumerate(classes)]
    return [*named, ("in both", RIGHT), ("missed", MISSED), ("invented", INVENTED)]


def _sheet(
    panels: Sequence[tuple[str, numpy.ndarray]], title: str, legend: Sequence[tuple[str, tuple[int, int, int]]]
) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    height, width = panels[0][1].shape[:2]
    factor = min(_MOST / max(height, width), max(1.0, _LEAST / max(height, width)))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    across = max(len(panels) * (size[0] + _GAP) - _GAP, 420)
    sheet = Image.new("RGB", (across, size[1] + 3 * _LINE), (16, 16, 16))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    draw.text((4, 2), title, (255, 255, 255), font)
    for place, (name, pixels) in enumerate(panels):
        left = place * (size[0] + _GAP)
        method = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
        draw.text((left + 4, _LINE + 2), name, (200, 200, 200), font)
        sheet.paste(Image.fromarray(pixels).resize(size, method), (left, 2 * _LINE))
    left = 4
    for name, colour in legend:
        top = size[1] + 2 * _LINE
        draw.rectangle((left, top + 4, left + 9, top + 13), fill=colour)
        draw.text((left + 14, top + 2), name, (200, 200, 200), font)
        left += 26 + int(draw.textlength(name, font))
    return sheet
