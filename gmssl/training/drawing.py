"""Pictures of a run: its curves, and one matched pair of graphs. Needs no Lightning, so `gmssl explain` starts fast."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gmssl.interfaces.solver import Solver
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.matcher import Step, sources
from gmssl.problem import solve
from gmssl.system.files import replacing
from gmssl.system.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class _Panel:
    """Lines of curves.png that share axes: columns of metrics.csv with the names of their lines.

    Attributes:
        kept: whether the panel is drawn even if nothing changes; other flat panels become a line of text.
        shares: whether the axis is in percent.
        guide: the column that the others are compared with.
    """

    title: str
    lines: Mapping[str, str]
    kept: bool = False
    shares: bool = False
    guide: str = ""


_PANELS = (
    _Panel(
        "match accuracy",
        {
            "match_accuracy": "under noise",
            "match_accuracy_noiseless": "without noise",
            "match_accuracy_chance": "chance",
        },
        kept=True,
        shares=True,
        guide="match_accuracy_chance",
    ),
    _Panel("loss", {"loss": "loss"}, kept=True),
    _Panel("feature rank", {"feature_rank": "feature rank"}),
    _Panel("within-graph cosine", {"within_graph_cosine": "within-graph cosine"}),
    _Panel("edges between equal vertices", {"zero_difference_edges": "zero-difference edges"}, shares=True),
    _Panel("gradient norm", {"gradient_norm": "gradient norm"}),
    _Panel("second solves", {"certified": "certified", "target_is_truth": "with the truth as answer"}, shares=True),
    _Panel("duality gap", {"duality_gap": "duality gap"}),
    _Panel("learning rate", {"learning_rate": "learning rate"}),
)
DPI = 110
_TRUE, _FALSE, _EDGE = "#2a9d4a", "#d1352b", "#9aa3ad"


def draw_curves(metrics: Table, probe: Table, path: Path) -> None:
    """Write `curves_figure` to a PNG file, replaced atomically; without a row of metrics.csv there is no picture."""
    if metrics.rows():
        _save(curves_figure(metrics, probe), path)


def curves_figure(metrics: Table, probe: Table) -> Figure:
    """The probe's accuracy beside the untrained encoder's, then a panel for each group of columns of metrics.csv.

    Columns without numbers have no line. Panels in which nothing changes are left out, but for loss and match accuracy;
    a line below the picture tells their values.

    Args:
        metrics: with one row at least.
        probe: may be empty.
    """
    steps = metrics.numbers("step")
    numbers = {column: metrics.numbers(column) for panel in _PANELS for column in panel.lines}
    panels = [panel for panel in _PANELS if any(map(_finite, (numbers[column] for column in panel.lines)))]
    shown = [panel for panel in panels if panel.kept or not all(_flat(numbers[column]) for column in panel.lines)]
    accuracy = probe.numbers("knn_accuracy")
    figure, axes = _figure(len(shown) + bool(accuracy))
    if accuracy:
        _draw_probe(axes[0], probe.numbers("step"), accuracy)
    for ax, panel in zip(axes[bool(accuracy) :], shown, strict=True):
        _draw_panel(ax, panel, steps, numbers)
    for ax in axes:
        ax.set_xlabel("optimiser step", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
    constant = [_constants(panel, numbers) for panel in panels if panel not in shown]
    if constant:
        figure.supxlabel(f"the same at every step: {', '.join(constant)}", fontsize=8)
    return figure


def _finite(numbers: list[float]) -> list[float]:
    return [number for number in numbers if math.isfinite(number)]


def _flat(numbers: list[float]) -> bool:
    """Whether nothing changes, or nothing is there; a single number may be the first of a curve."""
    known = _finite(numbers)
    return not known or (len(known) > 1 and min(known) == max(known))


def _constants(panel: _Panel, numbers: Mapping[str, list[float]]) -> str:
    """The names and values of a panel in which nothing changes."""
    form = ".0%" if panel.shares else ".3g"
    prefix = f"{panel.title} " if len(panel.lines) > 1 else ""
    known = {name: _finite(numbers[column]) for column, name in panel.lines.items()}
    return ", ".join(f"{prefix}{name} {format(values[0], form)}" for name, values in known.items() if values)


def _draw_probe(ax: Any, steps: list[float], accuracy: list[float]) -> None:
    ax.plot(steps, accuracy, marker="o", markersize=4, linewidth=1.2, label="trained encoder")
    ax.axhline(accuracy[0], color=_EDGE, linestyle="--", linewidth=1, label="untrained encoder")
    _head(ax, "kNN accuracy of the probe", shares=True)


def _draw_panel(ax: Any, panel: _Panel, steps: list[float], numbers: Mapping[str, list[float]]) -> None:
    lines: dict[tuple[float, ...], str] = {}  # equal curves are one line with both names, or one would hide the other
    for column, name in panel.lines.items():
        if column != panel.guide and _finite(numbers[column]):
            key = tuple(numbers[column])
            lines[key] = f"{lines[key]} = {name}" if key in lines else name
    for line, name in lines.items():
        ax.plot(steps, line, label=name, marker="o" if len(_finite(list(line))) < 3 else None, linewidth=1.2)
    if panel.guide and _finite(numbers[panel.guide]):
        name = panel.lines[panel.guide]
        ax.plot(steps, numbers[panel.guide], label=name, color=_EDGE, linestyle="--", linewidth=1)
    _head(ax, panel.title, panel.shares)


def _head(ax: Any, title: str, shares: bool) -> None:
    """Write the title, and the names of the lines between it and the axes, where they cover no line."""
    from matplotlib.ticker import PercentFormatter

    several = len(ax.get_lines()) > 1
    ax.set_title(title, fontsize=10, loc="left", pad=18 if several else 6)
    if several:
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "ncols": len(ax.get_lines())}
        ax.legend(fontsize=7, frameon=False, handlelength=1.6, columnspacing=1.2, **place)
    if shares:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))


def _figure(panels: int) -> tuple[Figure, list[Any]]:
    from matplotlib.figure import Figure

    columns = min(panels, 3)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(4 * columns, 2.8 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[panels:]:
        ax.remove()
    return figure, axes[:panels]


def draw_matched(step: Step, batch: ViewBatch, solver: Solver, path: Path, title: str = "") -> float:
    """Write `matched_figure` to a PNG file, replaced atomically.

    Returns:
        The share of the true pairs that were found.
    """
    figure, accuracy = matched_figure(step, batch, solver, title)
    _save(figure, path)
    return accuracy


def matched_figure(step: Step, batch: ViewBatch, solver: Solver, title: str = "") -> tuple[Figure, float]:
    """The first graph pair of a step as it is matched without noise and margin.

    Nodes are thumbnails on two circles, each right node where its true partner is on the left, so that true matches run
    level. Edges of both graphs are grey, true matches green, false ones red and dashed.

    Args:
        step: a forward pass whose nodes are images (`Arrangement.sources`).
        batch: its finished views.
        solver: solves the problem once more, without noise.
        title: what stands before the accuracy.

    Returns:
        The picture, and the share of the true pairs that were found.
    """
    problem = step.without_margin().select(torch.zeros(1, dtype=torch.long, device=step.loss.device))
    assert problem.target is not None
    matching = solve(problem, solver).matching.vertex[0].cpu()
    target = problem.target[0].cpu()
    thumbnails = [_thumbnails(batch, source[0]) for source in sources(step.arrangement, step.relabelling)]
    edges = [side[0].cpu() for side in step.edges]

    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.8), layout="constrained")
    ax = figure.subplots()
    places = [_circle(len(images), x) for images, x in zip(thumbnails, (-1.75, 1.75), strict=True)]
    places[1] = places[1][step.relabelling[0].cpu().numpy()]
    for where, ends in zip(places, edges, strict=True):
        ax.plot(where[ends.T, 0], where[ends.T, 1], color=_EDGE, linewidth=0.5, alpha=0.6, zorder=1)
    matched = [(int(i), int(s)) for i, s in (matching > 0.5).nonzero()]
    colours = [{}, {}]  # type: list[dict[int, str]]
    for i, s in matched:
        colour, line = (_TRUE, "-") if target[i, s] > 0.5 else (_FALSE, "--")  # colour is not the only difference
        (x0, y0), (x1, y1) = places[0][i], places[1][s]
        ax.plot([x0, x1], [y0, y1], color=colour, linestyle=line, linewidth=1.3, alpha=0.75, zorder=2)
        colours[0][i] = colours[1][s] = colour
    for side in (0, 1):
        for node, image in enumerate(thumbnails[side]):
            _place(ax, image, places[side][node], colours[side].get(node, _EDGE))
    accuracy = float((matching * target).sum() / target.sum())
    found = int((matching * target).sum().round())
    ax.set_title(
        f"{title}{found} of {int(target.sum())} true pairs found ({accuracy:.0%}); green: true, dashed red: false",
        fontsize=10,
    )
    ax.set(xlim=(-3.05, 3.05), ylim=(-1.3, 1.3), aspect="equal")
    ax.axis("off")
    return figure, accuracy


def _circle(nodes: int, centre: float) -> np.ndarray:
    angle = np.pi / 2 - 2 * np.pi * np.arange(nodes) / nodes
    return np.stack((centre + np.cos(angle), np.sin(angle)), 1)


def _place(ax: Any, image: np.ndarray, where: np.ndarray, colour: str) -> None:
    from matplotlib.colors import Normalize
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    zoom = 30 / max(image.shape[:2])
    thumbnail = OffsetImage(image, zoom=zoom, cmap="gray", norm=Normalize(0, 1))
    ax.add_artist(AnnotationBbox(thumbnail, tuple(where), pad=0.12, bboxprops={"edgecolor": colour, "linewidth": 1.6}))


def _thumbnails(batch: ViewBatch, source_n: torch.Tensor) -> list[np.ndarray]:
    """Each node's view, its values spread to 0..1: `[H,W]` for grey, `[H,W,3]` for colour."""
    images = batch.index.shape[0]
    found = []
    for node in source_n.tolist():
        view = batch.images[node // images][node % images].detach().float().cpu()
        low, high = view.min(), view.max()
        pixels = ((view - low) / (high - low).clamp(min=1e-6)).permute(1, 2, 0).numpy()
        found.append(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return found


def _save(figure: Figure, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # no display, and no global pyplot state
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=DPI)
