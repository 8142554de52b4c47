"""How encoders look in all figures: the same colour, marker and line everywhere, told apart with any colour vision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle
from typing import TYPE_CHECKING

from gmssl.system.pages.theme import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
_MARKERS = "osD^vPX*"
_LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Look:
    """Of one encoder; markers and lines tell apart what colours do not."""

    colour: str
    marker: str
    line: str
    label: str


def looks(encoders: Sequence[str]) -> dict[str, Look]:
    """Name → its look."""
    each = zip(encoders, cycle(_COLOURS), cycle(_MARKERS), cycle(_LINES))
    return {name: Look(colour, marker, line, shortened(name, 32)) for name, colour, marker, line in each}


def svg_of(figure: Figure) -> bytes:
    """A figure as SVG, the same bytes each time."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    file = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "gmssl", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
