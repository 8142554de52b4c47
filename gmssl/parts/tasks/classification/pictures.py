"""Pictures of classified images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gmssl.interfaces.task import Row


def draw(image: Image.Image, row: Row, classes: Sequence[str], folder: Path) -> Path:
    """The image beside bars of its probabilities; the true class is marked. The file is named after the case."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    left.imshow(image, cmap="gray", vmin=0, vmax=255)
    left.set_axis_off()
    truth, probabilities = row["truth"], row["probabilities"]
    assert isinstance(truth, int)
    assert isinstance(probabilities, list)
    labels = [f"{name} (true)" if number == truth else name for number, name in enumerate(classes)]
    colours = ["#2a7f62" if number == truth else "#9aa5b1" for number in range(len(classes))]
    right.barh(labels, probabilities, color=colours)
    right.set_xlim(0, 1)
    right.set_xlabel("probability")
    right.invert_yaxis()
    right.set_title(str(row["case"]), fontsize=8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{str(row['case']).replace('/', '_')}.png"
    figure.savefig(path, dpi=100)
    return path
