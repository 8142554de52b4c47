"""Pictures of a run: its curves, one matched pair of graphs, and when they are drawn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gmssl.interfaces.solver import Solver
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.matcher import Step, sources
from gmssl.problem import solve
from gmssl.recipe.recipe import Recipe
from gmssl.system.files import replacing
from gmssl.system.table import Table
from gmssl.training.module import MatchingModule
from gmssl.training.plan import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_PANELS = (
    ("loss", ("loss",)),
    ("match accuracy", ("match_accuracy", "match_accuracy_noiseless", "match_accuracy_chance")),
    ("gradient norm", ("gradient_norm",)),
    ("learning rate", ("learning_rate",)),
    ("feature rank", ("feature_rank",)),
    ("over-smoothing", ("zero_difference_edges", "within_graph_cosine")),
    ("second solve", ("certified", "target_is_truth")),
    ("duality gap", ("duality_gap",)),
)
_TRUE, _FALSE, _EDGE = "#2a9d4a", "#d1352b", "#9aa3ad"


def draw_curves(metrics: Table, probe: Table, path: Path) -> None:
    """One panel for each group of columns of metrics.csv that has numbers, and one for the kNN probe."""
    rows = metrics.rows()
    if not rows:
        return
    panels = [(title, [c for c in columns if any(row.get(c) for row in rows)]) for title, columns in _PANELS]
    shown = [panel for panel in panels if panel[1]]
    probed = probe.rows()
    figure, axes = _figure(len(shown) + bool(probed))
    steps = metrics.numbers("step")
    marker = "o" if len(steps) < 3 else None
    for ax, (title, columns) in zip(axes, shown, strict=False):
        for column in columns:
            ax.plot(steps, metrics.numbers(column), label=column.replace("_", " "), marker=marker, linewidth=1.2)
        ax.set_title(title, fontsize=10)
        if len(columns) > 1:
            ax.legend(fontsize=7)
    if probed:
        ax, accuracy = axes[len(shown)], probe.numbers("knn_accuracy")
        ax.plot(probe.numbers("step"), accuracy, marker="o", linewidth=1.2, label="encoder")
        ax.axhline(accuracy[0], color=_EDGE, linestyle="--", linewidth=1, label="untrained")
        ax.set_title("kNN accuracy", fontsize=10)
        ax.legend(fontsize=7)
    for ax in axes:
        ax.set_xlabel("optimiser step", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
    _save(figure, path)


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
    """Draw the first graph pair of a step as it is matched without noise and margin.

    Nodes are thumbnails on two circles, each right node where its true partner is on the left, so that true matches run
    level. Edges of both graphs are grey, true matches green, false ones red and dashed.

    Args:
        step: a forward pass whose nodes are images (`Arrangement.sources`).
        batch: its finished views.
        solver: solves the problem once more, without noise.
        path: PNG file, replaced atomically.
        title: what stands before the accuracy.

    Returns:
        Share of the true pairs that were found.
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
        colour, line = (_TRUE, "-") if target[i, s] > 0.5 else (_FALSE, "--")  # not by colour alone
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
    _save(figure, path)
    return accuracy


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
        figure.savefig(file, format="png", dpi=110)


class Pictures(Callback):
    """curves.png and matched.png, every `train.picture_every` epochs and at the end."""

    def __init__(self, recipe: Recipe, plan: Plan, folder: Path) -> None:
        self._recipe, self._plan, self._folder = recipe, plan, folder

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The pair of graphs of the last step of an epoch, while its images are still there."""
        assert isinstance(pl_module, MatchingModule)
        last = trainer.is_last_batch or trainer.global_step >= self._plan.steps
        step = pl_module.step
        if step is None or step.arrangement.sources is None:  # nodes that are no images of the batch
            return
        if last and self._due(trainer) and trainer.is_global_zero:
            title = f"epoch {trainer.current_epoch + 1}, step {trainer.global_step}: "
            draw_matched(step, batch.views, self._recipe.solver, self._folder / "matched.png", title)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The curves so far."""
        if self._due(trainer) and trainer.is_global_zero:
            folder = self._folder
            draw_curves(Table(folder / "metrics.csv"), Table(folder / "probe.csv"), folder / "curves.png")

    def _due(self, trainer: Trainer) -> bool:
        epoch = trainer.current_epoch + 1
        return epoch % self._recipe.train.picture_every == 0 or trainer.global_step >= self._plan.steps
