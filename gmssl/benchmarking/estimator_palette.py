"""Colours, markers and sizes that tell estimators, and numbers of samples, apart in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmssl.benchmarking.estimators import Row

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

_COLOURS = ("#56b4e9", "#d55e00", "#000000", "#009e73", "#0072b2", "#e69f00", "#cc79a7", "#7f7f7f")
"""Of Okabe and Ito, who chose them for all kinds of colour vision; markers tell the same a second time."""
_MARKERS = ("v", "s", "X", "D", "o", "P", "^", "*")
_SIZES = (4.5, 6.5, 9.0)
"""Of markers, by number of samples."""


@dataclass(frozen=True)
class Palette:
    """Which kinds and numbers of samples there are, in the order of the report."""

    kinds: tuple[str, ...]
    samples: tuple[int, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Palette:
        """That of a report."""
        samples = sorted({row.samples for row in rows if row.samples is not None})
        return cls(tuple(sorted({row.estimator for row in rows})), tuple(samples))

    def colour(self, row: Row) -> str:
        """By kind."""
        return _COLOURS[self.kinds.index(row.estimator) % len(_COLOURS)]

    def look(self, row: Row) -> dict[str, Any]:
        """Keywords for `Axes.plot`; estimators without a number of samples take one."""
        number = 0 if row.samples is None else self.samples.index(row.samples)
        marker = _MARKERS[self.kinds.index(row.estimator) % len(_MARKERS)]
        size = _SIZES[min(number, len(_SIZES) - 1)] if row.samples is not None else _SIZES[1]
        return {
            "color": self.colour(row),
            "marker": marker,
            "markersize": size,
            "linewidth": 1.2,
            "markeredgecolor": "white",
            "markeredgewidth": 0.6,
        }

    def handles(self) -> list[Line2D]:
        """Of the legend: kinds, then numbers of samples."""
        from matplotlib.lines import Line2D

        kinds = [
            Line2D([], [], color=_COLOURS[i % len(_COLOURS)], marker=_MARKERS[i % len(_MARKERS)], label=kind)
            for i, kind in enumerate(self.kinds)
        ]
        samples = [
            Line2D([], [], color="#7f7f7f", marker="o", linestyle="", markersize=size, label=f"S = {count}")
            for count, size in zip(self.samples, _SIZES, strict=False)
        ]
        return [*kinds, *samples]


def spaced(middle: float, count: int, step: float = 0.22) -> list[float]:
    """Places side by side around a middle."""
    return [middle + step * (number - (count - 1) / 2) for number in range(count)]
