"""Which classes are taken for which: a matrix for each encoder, of rows that hold a class and probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gmssl.downstream.reporting.drawn import Rows
from gmssl.downstream.reporting.judged import Judged
from gmssl.interfaces.task import Row
from gmssl.system.pages.theme import Theme, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 20
"""Classes of a matrix that can still be read."""


def classes_of(judged: Judged) -> list[str]:
    """Names of the classes of a classification."""
    facts = judged.any.data.facts.get("classes")
    return list(judged.any.classes) or (list(facts) if isinstance(facts, dict) else [])


def matrix(rows: Sequence[Row], classes: int) -> np.ndarray | None:
    """How many cases of each class `[C]` were taken for each `[C]`; None if rows are of another form."""
    counts = np.zeros((classes, classes))
    for row in rows:
        truth, given = row.get("truth"), row.get("probabilities")
        if not isinstance(truth, int) or not isinstance(given, list) or len(given) != classes or truth >= classes:
            return None
        counts[truth, int(np.argmax(np.array(given, dtype=float)))] += 1
    return counts


def matrices(judged: Judged, rows: Mapping[str, Rows]) -> dict[str, np.ndarray]:
    """Encoder → mean over seeds of its matrix; empty if the benchmark is no classification."""
    names = classes_of(judged)
    if not 2 <= len(names) <= MOST:
        return {}
    found = {}
    for encoder, one in rows.items():
        each = [matrix(of_seed, len(names)) for of_seed in one.by_seed.values()]
        known = [counts for counts in each if counts is not None]
        if len(known) < len(each) or not each:
            return {}
        found[encoder] = np.mean(known, axis=0)
    return found


def confusion(judged: Judged, found: Mapping[str, np.ndarray], theme: Theme) -> Figure:
    """A panel for each encoder: shares of the cases of each true class, with their numbers."""
    from matplotlib.colors import LinearSegmentedColormap

    names = [shortened(name, 16) for name in classes_of(judged)]
    columns = min(3, len(found))
    lines = math.ceil(len(found) / columns)
    side = max(2.1, 0.62 * len(names))
    longest = 0.075 * max(map(len, names))
    figure = new_figure(columns * (side + 0.3) + longest + 0.9, lines * (side + 0.4) + longest + 0.6)
    heat = LinearSegmentedColormap.from_list("heat", [theme.page, theme.heat])
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flatten()
    for ax, (encoder, counts) in zip(panels, found.items(), strict=False):
        of_class = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, of_class, out=np.zeros_like(counts), where=of_class > 0)
        ax.imshow(shares, cmap=heat, vmin=0, vmax=1)
        ax.set_title(shortened(encoder, 26), fontsize=10)
        ax.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
        ax.set_yticks(range(len(names)), names, fontsize=8)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        for (row, column), share in np.ndenumerate(shares):
            ink = theme.page if share > 0.55 else theme.ink
            text = f"{100 * share:.0f} %\n{counts[row, column]:.1f}".removesuffix(".0") if counts[row, column] else "0"
            ax.text(column, row, text, ha="center", va="center", fontsize=7.5, color=ink)
    for ax in panels[len(found) :]:
        ax.set_visible(False)
    for ax in panels[len(found) - columns : len(found)]:  # the lowest of each column
        ax.tick_params(labelbottom=True)
    figure.supxlabel("predicted", fontsize=9)
    figure.supylabel("true", fontsize=9)
    return figure
