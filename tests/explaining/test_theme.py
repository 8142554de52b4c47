"""Pictures of both themes share one layout, and differ in their colours only."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gmssl.explaining.accuracy import GroupAccuracy, Share
from gmssl.explaining.figures import accuracy_figure, pair_figure, solver_figure
from gmssl.explaining.solver import Times
from gmssl.system.pages.theme import DARK, LIGHT, Theme, in_both, new_figure, worn

_SHARE = Share(0.5, 0.4, 0.6, 10, 5)


def _labelled(theme: Theme) -> Figure:
    """Several axes, a title and a text below them all, which the layout moves, too."""
    figure = new_figure(7, 4)
    for number, ax in enumerate(figure.subplots(2, 2).flat):
        ax.plot([0, 10**number])
        ax.set_title("a title", color=theme.ink)
    figure.suptitle("above")
    figure.supxlabel("below")
    return figure


FIGURES: dict[str, Callable[[Theme], Figure]] = {
    "accuracy": lambda theme: accuracy_figure([GroupAccuracy("all", 3, _SHARE, _SHARE, 0.1)] * 3, True, theme),
    "solver": lambda theme: solver_figure(None, Times(4, 2, 1.0, 2.0, 3.0, None, None, 1), theme),
    "pair": lambda theme: pair_figure([np.zeros((8, 6)), np.ones((6, 8)), np.ones((8, 8, 3)), np.ones((3, 9))], theme),
    "labelled": _labelled,
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_dark_picture_is_the_one_that_a_layout_of_its_own_gives(name: str) -> None:
    light, dark = (Image.open(BytesIO(png)) for png in in_both(FIGURES[name], 60))
    alone = BytesIO()
    with worn(DARK):
        FIGURES[name](DARK).savefig(alone, format="png", dpi=60)
    assert light.size == dark.size
    assert np.array_equal(np.asarray(dark), np.asarray(Image.open(alone)))
    assert light.getpixel((0, 0))[:3] == tuple(bytes.fromhex(LIGHT.page[1:]))
    assert dark.getpixel((0, 0))[:3] == tuple(bytes.fromhex(DARK.page[1:]))


def test_images_of_a_pair_keep_their_aspect() -> None:
    red = np.zeros((10, 40, 3))
    red[..., 0] = 1
    png, _ = in_both(lambda theme: pair_figure([red] * 4, theme), 100)
    found = (np.asarray(Image.open(BytesIO(png)).convert("RGB"))[:, :180] == (255, 0, 0)).all(2)
    rows, columns = (np.flatnonzero(found.any(axis)) for axis in (1, 0))
    frame = 5  # dots that it covers of both edges
    assert np.ptp(columns) + frame == pytest.approx(4 * (np.ptp(rows) + frame), rel=0.06)
