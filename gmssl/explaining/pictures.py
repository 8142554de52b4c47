"""All pictures of a report, for light and for dark pages."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmssl.evaluation.progress import Stages
from gmssl.explaining import figures
from gmssl.explaining.figures import pair_figure, pixels_of
from gmssl.explaining.report import Report
from gmssl.system.pages.theme import DPI, Theme, in_both
from gmssl.system.table import Table
from gmssl.training import drawing
from gmssl.training.drawing import curves_figure, matched_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_GROUPS = 16
MOST_NODES = 32
"""Of a graph that is drawn with its images."""


@dataclass(frozen=True)
class Picture:
    """A PNG file in two themes.

    Attributes:
        name: of the file, without ending; that of the dark one ends in -dark.
        light, dark: its bytes.
    """

    name: str
    light: bytes
    dark: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the header of the file."""
        width, height = struct.unpack(">II", self.light[16:24])
        return width, height

    @property
    def files(self) -> dict[str, bytes]:
        """Names of files and their bytes."""
        return {f"{self.name}.png": self.light, f"{self.name}-dark.png": self.dark}


def draw_all(report: Report, stages: Stages) -> dict[str, Picture]:
    """Every picture that the run gives rise to, by its name."""
    drawings = list(_drawings(report))
    found: dict[str, Picture] = {}
    with stages.stage("drawing", len(drawings), "pictures") as advance:
        for name, draw, dpi in drawings:
            found[name] = Picture(name, *in_both(draw, dpi))
            advance(1)
    return found


def _drawings(report: Report) -> Iterator[tuple[str, Callable[[Theme], Figure], int]]:
    """Names of pictures, what draws them, and their dots for each inch."""
    metrics, probe = (Table(report.run.folder / f"{name}.csv") for name in ("metrics", "probe"))
    if metrics.rows():
        yield "curves", lambda _: curves_figure(metrics, probe), drawing.DPI
    for name, draw in _charts(report):
        yield name, draw, DPI
    batch, step = report.passes.first
    if step.arrangement.sources is not None and step.arrangement.left.shape[1] <= MOST_NODES:
        judge = report.passes.judge
        yield "matched", lambda _: matched_figure(step, batch, judge)[0], drawing.DPI
    if report.partners_known:
        for number, found in enumerate(report.confused[: report.effort.pairs], 1):
            shown = pixels_of(found, report.views)
            yield f"pair-{number:02}", lambda theme, shown=shown: pair_figure(shown, theme), DPI  # type: ignore[misc]


def _charts(report: Report) -> Iterator[tuple[str, Callable[[Theme], Figure]]]:
    yield (
        "accuracy",
        lambda theme: figures.accuracy_figure(report.accuracies[: MOST_GROUPS + 1], report.has_noise, theme),
    )
    wrong = report.blame.wrong > 0
    if report.partners_known and wrong and 1 < len(report.groups) <= MOST_GROUPS:
        yield "groups", lambda theme: figures.flows_figure(report.groups, report.flows, theme)
    if wrong and not report.learnt_truth:
        yield "terms", lambda theme: figures.terms_figure(report.terms, report.edge_terms, report.blame.terms, theme)
    if report.has_edges and wrong:
        yield "scatter", lambda theme: figures.scatter_figure(report.passes.rows, report.edge_terms, theme)
    if report.has_edges:
        yield "edges", lambda theme: figures.alone_figure(report.blame, theme)
    if report.gap is not None or report.times is not None:
        yield "solver", lambda theme: figures.solver_figure(report.gap, report.times, theme)
