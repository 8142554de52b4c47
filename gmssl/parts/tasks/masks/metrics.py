"""Scores of one mask against another, and their means over rows.

Overlap is counted; distances of boundaries are MONAI's. What becomes of empty masks is said here and nowhere else:

- **Truth and prediction empty**: nothing is to be found and nothing was. All measures are None; means leave them out.
- **One of them empty**: Dice, IoU and surface Dice are 0. HD95 is the diagonal of the image, the greatest distance two
  of its pixels can have, so that a network cannot do better by predicting nothing.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from gmssl.errors import DataError
from gmssl.interfaces.task import Resampled, Row, Scores, Value
from gmssl.lazy import numpy

MEASURES = ("dice", "iou", "hd95", "surface_dice")
"""What is measured of each class of each case, in the order of a table."""

COUNTS = ("both", "predicted", "true")
"""Pixels or voxels in both masks, in the predicted one, and in the true one."""


def measured(
    predicted: numpy.ndarray,
    truth: numpy.ndarray,
    tolerance: float,
    spacing: Sequence[float] | None = None,
    *,
    overlap: bool = False,
) -> dict[str, Value]:
    """Measures and counts of one class in one image or volume.

    Args:
        predicted: booleans `[H,W]` or `[D,H,W]`.
        truth: booleans of the same shape.
        tolerance: distance up to which surface Dice takes boundaries as equal, in the unit of the spacing.
        spacing: distance between cells along each axis; 1 (pixels) if it is left out.
        overlap: no distances are asked for; `hd95` and `surface_dice` are None.

    Returns:
        `dice`, `iou`, `surface_dice` in [0, 1], `hd95` in the unit of the spacing; None where both masks are empty;
        and the counts `both`, `predicted`, `true`.

    Raises:
        DataError: MONAI is not installed.
    """
    both, ours, theirs = (int(numpy.count_nonzero(mask)) for mask in (predicted & truth, predicted, truth))
    counts: dict[str, Value] = {"both": both, "predicted": ours, "true": theirs}
    if ours + theirs == 0:
        return {**dict.fromkeys(MEASURES), **counts}
    found: dict[str, Value] = {"dice": 2 * both / (ours + theirs), "iou": both / (ours + theirs - both)}
    if overlap:
        return {**found, "hd95": None, "surface_dice": None, **counts}
    steps = [1.0] * truth.ndim if spacing is None else [float(step) for step in spacing]
    if ours == 0 or theirs == 0:
        diagonal = math.hypot(*((length - 1) * step for length, step in zip(truth.shape, steps, strict=True)))
        return {**found, "hd95": diagonal, "surface_dice": 0.0, **counts}
    hd95, surface = _boundaries(predicted, truth, tolerance, steps)
    return {**found, "hd95": hd95, "surface_dice": surface, **counts}


def _boundaries(
    predicted: numpy.ndarray, truth: numpy.ndarray, tolerance: float, spacing: list[float]
) -> tuple[float, float]:
    """HD95 and surface Dice of masks that are not empty: what MONAI's metrics give, from edges found once."""
    library = boundaries()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of an argument that MONAI gives to itself
        edges = library.get_mask_edges(*_cut(predicted, truth), crop=False)
    ours, theirs = (numpy.asarray(edge, dtype=bool) for edge in edges)
    there = numpy.asarray(library.get_surface_distance(ours, theirs, spacing=spacing), dtype=numpy.float64)
    back = numpy.asarray(library.get_surface_distance(theirs, ours, spacing=spacing), dtype=numpy.float64)
    hd95 = max(float(numpy.percentile(distances, 95)) for distances in (there, back))
    # Distances have the precision of float32, which must not put a boundary beyond the tolerance.
    near = sum(int(numpy.count_nonzero(distances <= tolerance * (1 + 1e-6))) for distances in (there, back))
    return hd95, near / (len(there) + len(back))


def boundaries() -> Any:
    """MONAI's functions of boundaries; a task that scores them asks before it trains.

    Raises:
        DataError: MONAI is not installed.
    """
    try:
        return importlib.import_module("monai.metrics.utils")
    except ImportError:
        raise DataError("Distances of boundaries need MONAI: run pip install 'gmssl[seg]'.") from None


def _cut(predicted: numpy.ndarray, truth: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Both masks where either is, with an empty cell around; nothing beyond changes a boundary."""
    either = predicted | truth
    window = []
    for axis in range(either.ndim):
        inside = numpy.flatnonzero(either.any(axis=tuple(other for other in range(either.ndim) if other != axis)))
        window.append(slice(inside[0], inside[-1] + 1))
    return numpy.pad(predicted[tuple(window)], 1), numpy.pad(truth[tuple(window)], 1)


def by_class(
    predicted: numpy.ndarray,
    truth: numpy.ndarray,
    classes: Sequence[str],
    tolerance: float,
    spacing: Sequence[float] | None = None,
    counted: numpy.ndarray | None = None,
    *,
    overlap: bool = False,
) -> dict[str, Value]:
    """Class → `measured` of label maps, whose classes are 1, 2, … in the given order.

    Cells that are not `counted` are background in both maps.
    """
    if counted is not None:
        predicted, truth = numpy.where(counted, predicted, 0), numpy.where(counted, truth, 0)
    return {
        name: measured(predicted == number, truth == number, tolerance, spacing, overlap=overlap)
        for number, name in enumerate(classes, start=1)
    }


def summary(rows: Sequence[Row], classes: Sequence[str], unit: str = "px", key: str = "scores") -> Scores:
    """Scores of rows that hold under `key` what `by_class` gives; rows without it are left out.

    - `dice`, `iou`, `hd95_UNIT`, `surface_dice`: the mean over cases of the mean over the classes that are in the
      truth or in the prediction of the case. Cases without any are left out.
    - `dice_pooled`: Dice of the cells of all cases together, then the mean over the classes that any of them has.
    - `dice.CLASS`, `hd95_UNIT.CLASS`: mean over the cases of this class, where there are several.
    - `empty.both`, `empty.one`: how many pairs of a case and a class have no cell in both masks, or in one only.
    """
    return _of_cells(_cells(rows, classes, key)[0], classes, unit)


def resampled(rows: Sequence[Row], classes: Sequence[str], unit: str = "px") -> Resampled:
    """The scores of `beside_observer` of choices of rows, which are made arrays once."""
    tables = {"": _cells(rows, classes, "scores"), OBSERVER: _cells(rows, classes, "observer")}

    def scores(chosen: Sequence[int]) -> Scores:
        found: Scores = {}
        for whose, (cells, places) in tables.items():
            kept = places[numpy.asarray(chosen, numpy.int64)]
            if not whose or (kept >= 0).any():
                found |= _named(_of_cells(cells[kept[kept >= 0]], classes, unit), whose)
        return found

    return scores


def _cells(rows: Sequence[Row], classes: Sequence[str], key: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """`[cases, classes, measures and counts]` of the rows that hold `key`, None as NaN; place of each row, −1: none."""
    places = numpy.full(len(rows), -1)
    tables: list[Any] = []
    for at, row in enumerate(rows):
        if isinstance(table := row.get(key), Mapping):
            places[at] = len(tables)
            tables.append([_KEYS(cast(Any, table[name])) for name in classes])
    cells = numpy.array(tables, numpy.float64).reshape(len(tables), len(classes), len(MEASURES) + len(COUNTS))
    return cells, places


def _of_cells(cells: numpy.ndarray, classes: Sequence[str], unit: str) -> Scores:
    measures, (both, ours, theirs) = cells[..., : len(MEASURES)], numpy.moveaxis(cells[..., len(MEASURES) :], 2, 0)
    names = {name: f"hd95_{unit}" if name == "hd95" else name for name in MEASURES}
    found: Scores = {names[name]: _mean(_means(measures[..., place])) for place, name in enumerate(MEASURES)}
    sizes = (ours + theirs).sum(axis=0)
    found["dice_pooled"] = _mean(2 * both.sum(axis=0)[sizes > 0] / sizes[sizes > 0])
    if len(classes) > 1:
        for place, name in enumerate(classes):
            found[f"dice.{name}"] = _mean(measures[:, place, MEASURES.index("dice")])
            found[f"hd95_{unit}.{name}"] = _mean(measures[:, place, MEASURES.index("hd95")])
    found["empty.both"] = float(((ours == 0) & (theirs == 0)).sum())
    found["empty.one"] = float(((ours == 0) != (theirs == 0)).sum())
    return found


_KEYS = itemgetter(*MEASURES, *COUNTS)
OBSERVER = "observer "
"""What scores of a second observer begin with."""


def beside_observer(rows: Sequence[Row], classes: Sequence[str], unit: str = "px") -> Scores:
    """The scores of `summary`, and those of the second observer beside them where rows have one."""
    found = summary(rows, classes, unit)
    if not any("observer" in row for row in rows):
        return found
    return found | _named(summary(rows, classes, unit, key="observer"), OBSERVER)


def _named(scores: Scores, whose: str) -> Scores:
    """A person's scores of classes and counts of empty masks are left out."""
    return {f"{whose}{name}": value for name, value in scores.items() if not whose or "." not in name}


def _means(values: numpy.ndarray) -> numpy.ndarray:
    """The mean of the numbers of each row; rows without any are left out."""
    known = ~numpy.isnan(values)
    counts = known.sum(axis=1)
    return numpy.where(known, values, 0).sum(axis=1)[counts > 0] / counts[counts > 0]


def _mean(values: numpy.ndarray) -> float | None:
    """The mean of the numbers among the values; None if there is none."""
    known = values[~numpy.isnan(values)]
    return float(known.mean()) if len(known) else None
