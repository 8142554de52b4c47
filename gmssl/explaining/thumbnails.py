"""A confused pair of images, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gmssl.explaining.confusion import Confusion
from gmssl.explaining.passes import FreshViews
from gmssl.explaining.theme import BLUE, VERMILLION, Theme, new_figure
from gmssl.interfaces.views import ViewBatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pair_figure(found: Confusion, views: FreshViews, theme: Theme) -> Figure:
    """The view that was matched, the wrong partner, the true partner, and the partner's own other view."""
    own = views.of(range(found.image, found.image + 1), found.pass_)
    other = views.of(range(found.partner, found.partner + 1), found.pass_)
    view, true, wrong = found.views
    shown = (
        ("image", _pixels(own, view), VERMILLION),
        ("matched with (wrong)", _pixels(other, wrong), VERMILLION),
        ("its true partner", _pixels(own, true), BLUE),
        ("the wrong one's other view", _pixels(other, view if view != wrong else true), theme.quiet),
    )
    figure = new_figure(7.2, 2.0)
    for ax, (title, pixels, colour) in zip(figure.subplots(1, 4), shown, strict=True):
        ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(title, fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set(visible=True, color=colour, linewidth=3)
    return figure


def _pixels(batch: ViewBatch, view: int) -> np.ndarray:
    """The only image of a batch, its values spread to 0..1: `[H,W]` for grey, `[H,W,3]` for colour."""
    image: torch.Tensor = batch.images[view][0].float()
    low, high = image.min(), image.max()
    pixels = ((image - low) / (high - low).clamp(min=1e-6)).permute(1, 2, 0).numpy()
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels
