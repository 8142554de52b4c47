"""All figures of a report: PNG and SVG as files, and the PNG of a dark page."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gmssl.downstream.reporting.confusion import confusion, matrices
from gmssl.downstream.reporting.dots import dots
from gmssl.downstream.reporting.looks import svg_of
from gmssl.downstream.reporting.radar import FEWEST, axes_of, radar
from gmssl.downstream.reporting.report import Report
from gmssl.system.pages.theme import DPI, LIGHT, Theme, in_both, worn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RADAR = (
    "An axis for each benchmark. Each has a range of its own, which stands below its name: from the worst encoder "
    "(inner ring) to the best (rim). So distances cannot be compared between axes, and a small difference may look "
    "large; a line is open where an encoder was not evaluated. The dot plot shows the same numbers with intervals."
)
DOTS = (
    "Dots are seeds, diamonds their means. Thick lines above are 95 % t-intervals over seeds, thin lines below 95 % "
    "bootstrap intervals over patients (cases where these are not known), cut off where they reach far beyond all "
    "seeds. Overlap of two intervals does not decide about their difference; the table of paired differences does."
)
CONFUSION = (
    "Rows are true classes. Per cent of the cases of the class and their number, the mean over seeds; in "
    "cross-validation over the test cases of all folds."
)


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        name: of its files, without ending.
        title: above it.
        caption: what is to be seen.
        light, dark: PNG files.
        svg: for light pages.
    """

    name: str
    title: str
    caption: str
    light: bytes
    dark: bytes
    svg: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the page: half of those of the file, which is for fine screens and print."""
        width, height = struct.unpack(">II", self.light[16:24])
        return width // 2, height // 2

    @property
    def files(self) -> dict[str, bytes]:
        """Names of files and their bytes."""
        return {f"{self.name}.png": self.light, f"{self.name}.svg": self.svg}


def file_name(text: str) -> str:
    """Text as a part of the name of a file, on every system."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "unnamed"


def draw_all(report: Report) -> list[Picture]:
    """Every figure that the results give rise to."""
    return [_drawn(name, title, caption, draw) for name, title, caption, draw in _drawings(report)]


def _drawings(report: Report) -> Iterator[tuple[str, str, str, Callable[[Theme], Figure]]]:
    yield "dots", "Scores with intervals", DOTS, partial(dots, report)
    if len(axes_of(report)) >= FEWEST:
        yield "radar", "All benchmarks", RADAR, partial(radar, report)
    for one in report.judged:
        found = matrices(one, report.rows.get(one.name, {}))
        if found:
            name, title = f"confusion-{file_name(one.name)}", f"{one.name}: which classes are taken for which"
            yield name, title, CONFUSION, partial(confusion, one, found)


def _drawn(name: str, title: str, caption: str, draw: Callable[[Theme], Figure]) -> Picture:
    light, dark = in_both(draw, 2 * DPI)
    with worn(LIGHT):
        svg = svg_of(draw(LIGHT))
    return Picture(name, title, caption, light, dark, svg)
