"""The charts of a report and its confused pairs; each is drawn in the theme that is worn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from gmssl.explaining.accuracy import GroupAccuracy, Share
from gmssl.explaining.counting import Blame, Confusion
from gmssl.explaining.passes import FreshViews
from gmssl.explaining.rows import Rows
from gmssl.explaining.solver import Gap, Times
from gmssl.interfaces.views import ViewBatch
from gmssl.system.pages.theme import BLUE, GREEN, ORANGE, SKY, VERMILLION, Theme, new_figure, percent, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DOTS = 4000
"""In a scatter plot; more only make it black."""


def accuracy_figure(groups: Sequence[GroupAccuracy], noise: bool, theme: Theme) -> Figure:
    """A dot and its interval for each group, without noise and under it, and chance."""
    figure = new_figure(8, 1.3 + 0.5 * len(groups))
    ax = figure.subplots()
    apart = 0.14 if noise else 0.0
    for place, found in enumerate(groups):
        _interval(ax, found.noiseless, place - apart, BLUE, "o", "without noise" if not place else None)
        if noise:
            _interval(ax, found.noisy, place + apart, ORANGE, "s", "under the estimator's noise" if not place else None)
        label = "chance" if not place else None
        ax.plot([found.chance] * 2, [place - 0.35, place + 0.35], color=theme.quiet, linestyle=":", label=label)
    ax.set_yticks(range(len(groups)), [shortened(g.group) for g in groups], parse_math=False)
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.set_xlim(0, min(1.02, 1.1 * max(_top(g, noise) for g in groups)))
    percent(ax, "x")
    ax.set_xlabel("match accuracy, with 95 % intervals")
    ax.grid(axis="x", alpha=0.25)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _interval(ax: Axes, share: Share, place: float, colour: str, marker: str, label: str | None) -> None:
    if not math.isnan(share.low):
        ax.plot([share.low, share.high], [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
    ax.plot(share.mean, place, marker, color=colour, markersize=7, label=label)


def _top(group: GroupAccuracy, noise: bool) -> float:
    shares = [group.noiseless, group.noisy] if noise else [group.noiseless]
    return max(0.05, group.chance, *(s.mean if math.isnan(s.high) else s.high for s in shares))


def flows_figure(names: Sequence[str], flows: torch.Tensor, theme: Theme) -> Figure:
    """Where the wrong matches of each group lead to, as shares of all its matches."""
    from matplotlib.colors import LinearSegmentedColormap

    size = len(names)
    figure = new_figure(3.4 + 0.75 * size, 1.9 + 0.55 * size)
    ax = figure.subplots()
    top = max(float(flows.max()), 1e-9)
    colours = LinearSegmentedColormap.from_list("much", [theme.page, theme.heat])
    ax.imshow(flows.numpy(), cmap=colours, vmin=0, vmax=top, aspect="auto")
    for (row, column), share in np.ndenumerate(flows.numpy()):
        red, green, blue, _ = colours(share / top)
        light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.55
        ax.text(column, row, f"{share:.0%}", ha="center", va="center", color="#14181d" if light else "#ffffff")
    labels = [shortened(name, 18) for name in names]
    ax.set_xticks(range(size), labels, rotation=30 if size > 3 else 0, ha="right" if size > 3 else "center",
                  parse_math=False)  # fmt: skip
    ax.set_yticks(range(size), labels, parse_math=False)
    ax.set_xlabel("group of the wrong partner")
    ax.set_ylabel("group of the image")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return figure


def terms_figure(names: Sequence[str], edge: torch.Tensor, means: Sequence[float], theme: Theme) -> Figure:
    """Mean energy difference to the truth that each term accounts for, over wrong matches."""
    figure = new_figure(8, 1.2 + 0.42 * (len(names) + 1))
    ax = figure.subplots()
    values = [*means, sum(means)]
    colours = [ORANGE if e else BLUE for e in edge.tolist()] + [theme.quiet]
    ax.barh(range(len(values)), values, color=colours, height=0.62)
    ax.axvline(0, color=theme.ink, linewidth=0.8)
    widest = max(1e-9, *(abs(v) for v in values))
    for place, value in enumerate(values):
        side = -1 if value < 0 else 1
        label = f"{value:+.3f}".replace("-", "−")
        ax.annotate(label, (value, place), (4 * side, 0), textcoords="offset points", va="center",
                    ha="right" if value < 0 else "left", fontsize=9)  # fmt: skip
    ax.set_yticks(range(len(values)), [*names, "all terms"])
    ax.set_ylim(len(values) - 0.4, -0.6)
    low, high = min(0.0, *values), max(0.0, *values)
    ax.set_xlim(low - 0.22 * widest, high + 0.22 * widest)
    ax.set_xlabel("mean energy difference, wrong match − true match (< 0 pulls to the wrong one)")
    _legend_of(ax, {"vertex term": BLUE, "edge term": ORANGE} if bool(edge.any()) else {"vertex term": BLUE})
    return figure


def _legend_of(ax: Axes, colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=label) for label, colour in colours.items()]
    assert ax.figure is not None
    ax.get_figure(root=True).legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)  # type: ignore[union-attr]


def scatter_figure(rows: Rows, edge_terms: torch.Tensor, theme: Theme) -> Figure:
    """Every wrong match by what its vertex and what its edge terms account for."""
    shares = rows.shares[~rows.right][:MOST_DOTS]
    vertex, edge = shares[:, ~edge_terms].sum(1).numpy(), shares[:, edge_terms].sum(1).numpy()
    figure = new_figure(8, 5.2)
    ax = figure.subplots()
    quadrants = (
        ("both pull to the wrong image", (vertex < 0) & (edge < 0), VERMILLION, "o"),
        ("vertices pull, edges resist", (vertex < 0) & (edge >= 0), BLUE, "s"),
        ("edges pull, vertices resist", (vertex >= 0) & (edge < 0), ORANGE, "^"),
        ("neither: its true partner was taken", (vertex >= 0) & (edge >= 0), GREEN, "D"),
    )
    for label, chosen, colour, marker in quadrants:
        share = f"{label} ({chosen.mean() if len(chosen) else 0:.0%})"
        ax.scatter(vertex[chosen], edge[chosen], s=15, alpha=theme.alpha, color=colour, marker=marker, linewidths=0,
                   label=share)  # fmt: skip
    ax.axhline(0, color=theme.quiet, linewidth=0.8)
    ax.axvline(0, color=theme.quiet, linewidth=0.8)
    ax.set_xlabel("energy difference from vertex terms")
    ax.set_ylabel("energy difference from edge terms")
    ax.grid(alpha=0.2)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, markerscale=1.8)
    return figure


def alone_figure(found: Blame, theme: Theme) -> Figure:
    """What becomes of all matches when edges join the vertices, as one bar."""
    right = found.matches - found.wrong
    pieces = (
        ("true with and without edges", right - found.mended, BLUE, ""),
        ("mended by edges", found.mended, SKY, "//"),
        ("made wrong by edges", found.caused, VERMILLION, "\\\\"),
        ("wrong with and without edges", found.wrong - found.caused, theme.quiet, ""),
    )
    figure = new_figure(8, 1.75)
    ax = figure.subplots()
    start = 0.0
    for label, count, colour, hatch in pieces:
        width = count / max(found.matches, 1)
        ax.barh(0, width, left=start, color=colour, hatch=hatch, edgecolor=theme.page, height=0.6,
                label=f"{label} ({width:.1%})")  # fmt: skip
        if width > 0.045:
            ax.text(start + width / 2, 0, f"{width:.0%}", ha="center", va="center", fontsize=10, color="#ffffff",
                    bbox={"boxstyle": "round,pad=0.15", "color": "#14181d", "alpha": 0.55})  # fmt: skip
        start += width
    ax.set_xlim(0, 1)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    percent(ax, "x")
    ax.set_xlabel("share of all matches")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def solver_figure(gap: Gap | None, times: Times | None, theme: Theme) -> Figure:
    """Gaps to the bound, sorted, and times of the solves."""
    figure = new_figure(8, 2.9)
    panels = figure.subplots(1, 2 if gap is not None and times is not None else 1, squeeze=False)[0]
    if gap is not None:
        ax, *panels = panels
        relative = np.sort(gap.relative.numpy())
        ax.plot(np.arange(1, gap.graphs + 1) / gap.graphs, relative, "o-", color=BLUE, markersize=4, clip_on=False)
        ax.set_xlabel("share of graphs with at most this gap")
        ax.set_ylabel("(energy − bound) / |energy|")
        ax.set_ylim(0, max(1e-4, 1.1 * float(relative[-1])))
        ax.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
        percent(ax, "x")
        ax.set_title(f"{gap.proven} of {gap.graphs} proven optimal", fontsize=10, loc="right")
        ax.grid(alpha=0.25)
    if times is not None:
        ax = panels[0]
        bars = {"without noise": times.noiseless, f"first solve\n({times.samples} noisy samples)": times.first}
        if times.second is not None:
            bars["second solve\n(backward pass)"] = times.second
        ax.barh(range(len(bars)), list(bars.values()), color=[GREEN, ORANGE, SKY][: len(bars)], height=0.6)
        for place, value in enumerate(bars.values()):
            ax.annotate(f"{value:.3g}", (value, place), (4, 0), textcoords="offset points", va="center", fontsize=9)
        ax.set_yticks(range(len(bars)), list(bars))
        ax.set_ylim(len(bars) - 0.4, -0.6)
        ax.set_xlim(0, 1.2 * max(bars.values()))
        ax.set_xlabel("ms for each graph pair")
        ax.set_title(f"time on {times.threads} thread" + "s" * (times.threads > 1), fontsize=10, loc="left")
    return figure


def pixels_of(found: Confusion, views: FreshViews) -> tuple[np.ndarray, ...]:
    """The view that was matched, the wrong partner, the true partner, and the partner's own other view."""
    own = views.of(range(found.image, found.image + 1), found.pass_)
    other = views.of(range(found.partner, found.partner + 1), found.pass_)
    view, true, wrong = found.views
    return (
        _pixels(own, view),
        _pixels(other, wrong),
        _pixels(own, true),
        _pixels(other, view if view != wrong else true),
    )


def pair_figure(shown: Sequence[np.ndarray], theme: Theme) -> Figure:
    """The four images of `pixels_of` in one row.

    They share one pair of axes in inches: there are many such pictures, and axes are what a picture's time goes into.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    titles = ("image", "matched with (wrong)", "its true partner", "the wrong one's other view")
    colours = (VERMILLION, VERMILLION, BLUE, theme.quiet)
    width, height, side = 7.2, 2.0, 1.64  # of the picture, and of an image's place
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    for place, (title, pixels, colour) in enumerate(zip(titles, shown, colours, strict=True)):
        high, wide = (side * length / max(pixels.shape[:2]) for length in pixels.shape[:2])
        left, bottom = width * (place + 0.5) / 4 - wide / 2, 0.06 + (side - high) / 2
        ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto",
                  extent=(left, left + wide, bottom, bottom + high))  # fmt: skip
        ax.add_patch(Rectangle((left, bottom), wide, high, fill=False, edgecolor=colour, linewidth=3))
        ax.text(left + wide / 2, bottom + high + 0.07, title, ha="center", fontsize=9)
    ax.set(xlim=(0, width), ylim=(0, height))
    return figure


def _pixels(batch: ViewBatch, view: int) -> np.ndarray:
    """The only image of a batch, its values spread to 0..1: `[H,W]` for grey, `[H,W,3]` for colour."""
    image: torch.Tensor = batch.images[view][0].float()
    low, high = image.min(), image.max()
    pixels = ((image - low) / (high - low).clamp(min=1e-6)).permute(1, 2, 0).numpy()
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels
