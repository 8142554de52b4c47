"""An image with its true and its predicted boxes, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmssl.interfaces.task import Row
from gmssl.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#F0E442")
"""Can be told apart with any colour vision (Okabe & Ito)."""

SHOWN = 0.5
"""Least score of a predicted box that is drawn; fewer would hide the image, and rows hold all of them."""

_WIDTH, _LEGEND = 5.0, 0.75
"""Inches of a panel, and of title and legend together."""


def draw(image: Image.Image, row: Row, classes: Sequence[str], file: Path) -> Path:
    """Write a PNG: the annotated boxes on the left, the predicted ones with their scores on the right."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    high = _WIDTH * min(max(image.height / image.width, 0.3), 3.0)
    figure = Figure(figsize=(2 * _WIDTH + 0.1, high + _LEGEND), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(classes)}
    truth: Any = list(zip(row["true_boxes"], row["true_labels"], strict=True))  # type: ignore[arg-type]
    found: Any = list(zip(row["boxes"], row["labels"], row["scores"], strict=True))  # type: ignore[arg-type]
    shown = [(box, name, score) for box, name, score in found if score >= SHOWN]
    _panel(left, image, f"annotated: {len(truth)} boxes")
    _panel(right, image, f"predicted: {len(shown)} boxes of score {SHOWN:g} or more")
    for box, name in truth:
        _box(left, box, colours[name])
    for box, name, score in shown:
        _box(right, box, colours[name])
        x, y = max(box[0], 0), max(box[1], 0)
        ink = {"facecolor": colours[name], "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
        right.text(x, y, f"{score:.2f}", color="white", fontsize=6, va="top", ha="left", bbox=ink)
    there = [name for name in classes if any(name == label for _, label, *_ in [*truth, *shown])]
    lines = [Line2D([], [], color=colours[name], linewidth=2, label=name) for name in there]
    if lines:
        figure.legend(handles=lines, loc="outside lower center", ncols=min(len(lines), 7), frameon=False, fontsize=9)
    with replacing(file) as stream:
        figure.savefig(stream, format="png")
    return file


def _panel(ax: Axes, image: Image.Image, title: str) -> None:
    """The image with edges at 0 and its size, as boxes count."""
    ax.imshow(image, extent=(0, image.width, image.height, 0), interpolation="bilinear")
    ax.set_title(title, fontsize=10)
    ax.set_axis_off()


def _box(ax: Axes, box: Sequence[float], colour: str) -> None:
    from matplotlib.patches import Rectangle

    x1, y1, x2, y2 = box
    ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=1.4))
