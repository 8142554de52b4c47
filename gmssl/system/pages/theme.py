"""How pictures look, on light and on dark pages. The colours can be told apart with any colour vision (Okabe & Ito)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, ORANGE, GREEN, SKY, PURPLE = "#0072B2", "#D55E00", "#E69F00", "#009E73", "#56B4E9", "#CC79A7"
CYCLE = (BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE)
DPI = 130


@dataclass(frozen=True)
class Theme:
    """A page's colours.

    Attributes:
        name: part of the names of files.
        page: behind everything.
        ink: text.
        quiet: axes, grids and guides.
        heat: the end of a scale that begins at `page`.
        alpha: opacity of dots that overlap.
    """

    name: str
    page: str
    ink: str
    quiet: str
    heat: str
    alpha: float


LIGHT = Theme("light", "#ffffff", "#1f2328", "#8b949e", "#08589e", 0.5)
DARK = Theme("dark", "#14181d", "#dfe5ec", "#6b7683", "#7cc4f5", 0.75)


@contextmanager
def worn(theme: Theme) -> Iterator[None]:
    """New figures wear the theme; what the user has set comes back."""
    import matplotlib
    from cycler import cycler

    settings: Any = {
        "figure.facecolor": theme.page,
        "savefig.facecolor": theme.page,
        "axes.facecolor": theme.page,
        "legend.facecolor": theme.page,
        "legend.edgecolor": theme.quiet,
        "axes.edgecolor": theme.quiet,
        "grid.color": theme.quiet,
        "xtick.color": theme.quiet,
        "ytick.color": theme.quiet,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink,
        "text.color": theme.ink,
        "axes.prop_cycle": cycler(color=CYCLE),
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names of folders may be in any script
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty one, in inches, without a display or global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    return figure


def in_both(draw: Callable[[Theme], Figure], dpi: int) -> tuple[bytes, bytes]:
    """PNG files of a figure on a light and on a dark page.

    Both have the same texts and sizes, so the layout, which takes a third of the time, is found once.

    Args:
        draw: makes the figure in the theme that is worn.
        dpi: dots for each inch.
    """
    with worn(LIGHT):
        light = draw(LIGHT)
        first = _to_png(light, dpi)
    with worn(DARK):
        dark = draw(DARK)
        dark.set_layout_engine("none")
        for there, here in zip(light.axes, dark.axes, strict=True):
            here.set_position(there.get_position(original=True), which="original")
        for found, text in zip(light.texts, dark.texts, strict=True):
            text.set_position(found.get_position())
        return first, _to_png(dark, dpi)


def _to_png(figure: Figure, dpi: int) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # no display, and no global pyplot state
    file = BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def shortened(name: str, longest: int = 28) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def percent(ax: Axes, which: str) -> None:
    """Ticks of an axis of shares."""
    from matplotlib.ticker import PercentFormatter

    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
