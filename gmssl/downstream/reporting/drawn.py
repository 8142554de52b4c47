"""The rows of a benchmark's fits, and its scores when patients are drawn with replacement."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmssl.downstream.measures import places_of, resampling
from gmssl.downstream.reporting.judged import Judged
from gmssl.downstream.results import ABOUT, ROWS, Result
from gmssl.errors import GmsslError
from gmssl.interfaces.registry import part_of
from gmssl.interfaces.task import Resampled, Row, Scores, Task

_EQUAL = 1e-6
"""Largest difference of a score from that of its rows; rows hold nine digits."""


@dataclass(frozen=True)
class Rows:
    """Of one result.

    Attributes:
        by_seed: seed → a row for each scored case.
        unit_of: case → what is drawn: its patient, or itself.
    """

    by_seed: dict[int, list[Row]]
    unit_of: dict[str, str]


@dataclass(frozen=True)
class Drawn:
    """Bootstrap samples of one benchmark and score; the same units for all encoders and seeds.

    Attributes:
        scores: encoder → seed → the score in each sample `[samples]`, NaN where it has no meaning.
    """

    scores: dict[str, dict[int, np.ndarray]]


class RowsError(Exception):
    """Why the rows of a result cannot be used; the end of a sentence."""


def rows_of(result: Result) -> Rows:
    """Read the rows of all fits of a result.

    Raises:
        RowsError: folders are gone or changed.
    """
    seeds, folders = result.seeds, [Path(folder) for folder in result.fits]
    if not folders or len(folders) % len(seeds):
        raise RowsError("the file does not name its fits")
    folds = len(folders) // len(seeds)
    by_seed: dict[int, list[Row]] = {}
    unit_of: dict[str, str] = {}
    for place, folder in enumerate(folders):
        rows, patients = _read(folder)
        if result.data.patients and patients is None:
            raise RowsError(f"{folder / ABOUT} does not say whose the cases are; evaluate once more, which is read")
        by_seed.setdefault(seeds[place // folds], []).extend(rows)
        known = patients or {}
        names = [str(row["case"]) for row in rows]
        unit_of |= {name: f"patient {known[name]}" if name in known else name for name in names}
    return Rows(by_seed, unit_of)


def _read(folder: Path) -> tuple[list[Row], dict[str, str] | None]:
    try:
        rows = json.loads((folder / ROWS).read_text(encoding="utf-8"))["rows"]
        about = folder / ABOUT
        return rows, json.loads(about.read_text(encoding="utf-8")).get("patients") if about.is_file() else None
    except OSError:
        raise RowsError(f"{folder / ROWS} is not there") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RowsError(f"{folder / ROWS} holds no rows") from None


def scoring(judged: Judged) -> tuple[Callable[[Sequence[Row]], Scores], Callable[[Sequence[Row]], Resampled]]:
    """Scores of rows, and those of choices of rows, by the task of a benchmark.

    Raises:
        RowsError: the task is not installed, or its scores need the cases.
    """
    result = judged.any
    facts = result.data.facts.get("classes")
    classes = result.classes or (tuple(facts) if isinstance(facts, dict) else ())
    try:
        task = part_of("task", dict(result.task))
    except GmsslError as error:
        raise RowsError(f"its task cannot be opened ({error})") from None
    assert isinstance(task, Task)

    def summarise(rows: Sequence[Row]) -> Scores:
        try:
            found = task.summarise(rows, classes)
        except GmsslError as error:  # a library is missing
            raise RowsError(str(error).rstrip(".")) from None
        if found is None:
            raise RowsError(f"the task {task.kind} does not score rows without the cases")
        return found

    def prepare(rows: Sequence[Row]) -> Resampled | None:
        return task.resampled(rows, classes, judged.metric)

    return summarise, lambda rows: resampling(rows, summarise, prepare)


def draw(judged: Judged, rows: dict[str, Rows], samples: int, told: Callable[[str], None]) -> Drawn:
    """Scores of all encoders of a benchmark in bootstrap samples.

    Args:
        judged: the benchmark.
        rows: encoder → its rows.
        samples: how many.
        told: told of each encoder before its work.

    Raises:
        RowsError: the rows are of other cases, or do not give the scores of the results.
    """
    summarise, resampled = scoring(judged)
    cases = [{seed: _names(found) for seed, found in one.by_seed.items()} for one in rows.values()]
    if any(names != next(iter(cases[0].values())) for one in cases for names in one.values()):
        raise RowsError("the rows of its encoders and seeds are of different cases")
    units = sorted(set(next(iter(rows.values())).unit_of.values()))
    if len(units) < 2:
        raise RowsError("there is a single patient")
    generator = np.random.default_rng(0)
    chosen = generator.integers(len(units), size=(samples, len(units)))
    scores: dict[str, dict[int, np.ndarray]] = {}
    for encoder, one in rows.items():
        told(f"{judged.name}: {encoder}")
        _check(judged, encoder, one, summarise)
        scores[encoder] = {
            seed: _scores(resampled(found), judged.metric, places_of(found, one.unit_of), chosen)
            for seed, found in one.by_seed.items()
        }
    return Drawn(scores)


def _names(rows: Sequence[Row]) -> list[str]:
    return sorted(str(row["case"]) for row in rows)


def _scores(resampled: Resampled, metric: str, places: Mapping[str, np.ndarray], chosen: np.ndarray) -> np.ndarray:
    """The score of each sample of units, `[samples]`; NaN where it has no meaning."""
    of_unit = list(places.values())
    samples = (np.concatenate([of_unit[unit] for unit in take]).tolist() for take in chosen)
    found = (resampled(sample).get(metric) for sample in samples)
    return np.array([float("nan") if value is None else value for value in found])


def _check(judged: Judged, encoder: str, rows: Rows, summarise: Callable[[Sequence[Row]], Scores]) -> None:
    result = judged.named(encoder)
    assert result is not None
    stated = result.scores[judged.metric].per_seed
    for seed, found in rows.by_seed.items():
        score, known = summarise(found).get(judged.metric), stated.get(str(seed))
        if (score is None) != (known is None) or (score is not None and abs(score - (known or 0.0)) > _EQUAL):
            raise RowsError(f"the rows of {encoder} give {score} for seed {seed} and not {known}, so they have changed")
