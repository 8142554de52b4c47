"""`compare`: finished runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmssl.errors import DataError, RecipeError, TrainingError
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.sweeping.folder import flat, is_finished
from gmssl.sweeping.metrics import METRICS, PROBE, of_training
from gmssl.sweeping.reports import Evaluation, read_report, refuse_other_sets
from gmssl.system.grid import Grid

_NOTHING = "–"


@dataclass(frozen=True)
class FinishedRun:
    """A run, read back; `evaluations` by name."""

    folder: Path
    recipe: Recipe
    metrics: Mapping[str, float]
    evaluations: Mapping[str, Evaluation]


def read_run(folder: Path, only: Sequence[str] = ()) -> FinishedRun:
    """A finished run.

    Args:
        folder: that `gmssl train` printed.
        only: names of evaluations to read; default: all.

    Raises:
        TrainingError: no run folder, or a run that is not finished.
        RecipeError: a recipe that this version does not understand.
        DataError: a file of its evaluations is no report.
    """
    if not (folder / "recipe.yaml").is_file():
        what = "has no recipe.yaml" if folder.is_dir() else "is a file" if folder.exists() else "does not exist"
        raise TrainingError(f"{folder} is no run folder: it {what}. Give a folder that `gmssl train` printed.")
    if not is_finished(folder):
        raise TrainingError(
            f"{folder} is not finished: it has no encoder.safetensors yet. Go on with `gmssl train --resume {folder}`, "
            "or leave it out."
        )
    paths = sorted((folder / "evaluation").glob("*.json"))
    evaluations = {path.stem: read_report(path) for path in paths if not only or path.stem in only}
    return FinishedRun(folder, load_recipe(folder / "recipe.yaml"), of_training(folder), evaluations)


def compare(folders: Sequence[Path], only: Sequence[str] = ()) -> list[Grid]:
    """Tables with a column for each run: settings that differ, final metrics, accuracies of the evaluations.

    Args:
        folders: run folders, at least two.
        only: names of the evaluations to show; default: all.

    Raises:
        RecipeError: fewer than two runs, or one of them twice.
        DataError: evaluations of one name that used different images or protocols, or a name that no run has.
        TrainingError, RecipeError: as `read_run`.
    """
    resolved = [folder.resolve() for folder in folders]
    if len(folders) < 2:
        raise RecipeError("one run has nothing to be compared with; give two or more run folders.")
    for folder, real in zip(folders, resolved, strict=True):
        if resolved.count(real) > 1:
            raise RecipeError(f"{folder} is given twice; give each run once.")
    runs = [read_run(folder, only) for folder in folders]
    names = list(dict.fromkeys(name for run in runs for name in run.evaluations))
    for name in only:
        if name not in names:
            have = sorted(path.stem for folder in folders for path in (folder / "evaluation").glob("*.json"))
            there = ", ".join(dict.fromkeys(have)) or "none"
            raise DataError(
                f"--evaluation {name}: no run has it; there are {there}. Make it with gmssl evaluate --name."
            )
    for name in names:
        others = [other for other in names if other != name]
        leave = f", or show others with --evaluation ({', '.join(others)})" if others else ""
        refuse_other_sets(
            [run.evaluations[name] for run in runs if name in run.evaluations],
            f"Evaluate all runs on the same images, with the same options{leave}.",
        )
    shown = [_settings(runs), _metrics(runs), *(_accuracies(runs, name) for name in names)]
    return [grid for grid in shown if grid.rows]


def _labels(runs: Sequence[FinishedRun]) -> tuple[str, ...]:
    """The folders' own names where they tell the runs apart, else the whole paths."""
    short = [run.folder.resolve().name for run in runs]
    return tuple(short) if len(set(short)) == len(short) else tuple(str(run.folder) for run in runs)


def _settings(runs: Sequence[FinishedRun]) -> Grid:
    each = [flat(run.recipe.model_dump(mode="json")) for run in runs]
    places = dict.fromkeys(place for settings in each for place in settings)
    rows = [
        (place, *texts)
        for place in places
        if len(set(texts := [settings.get(place, _NOTHING) for settings in each])) > 1
    ]
    return Grid("Settings that differ", ("setting", *_labels(runs)), rows, left=1)


def _metrics(runs: Sequence[FinishedRun]) -> Grid:
    note = "Loss and match accuracy: means over the logged steps of the last epoch."
    probes = {repr((p.data, p.neighbours, p.folds)) for run in runs if (p := run.recipe.probe) is not None}
    hidden = len(probes) > 1
    if hidden:
        note += " The kNN probes are not shown: they used different images, neighbours or folds."
    rows = []
    for metric in METRICS:
        values = [run.metrics.get(metric.name) for run in runs]
        if all(value is None for value in values) or (hidden and metric.name.startswith(PROBE.name)):
            continue
        rows.append((metric.heading, *(_NOTHING if value is None else metric.show(value) for value in values)))
    return Grid("Final metrics", ("metric", *_labels(runs)), rows, note, left=1)


def _accuracies(runs: Sequence[FinishedRun], name: str) -> Grid:
    keys = dict.fromkeys(key for run in runs if name in run.evaluations for key in run.evaluations[name].scores)
    rows = []
    for key in keys:
        features, classifier, what = key
        shown = [_accuracy(run.evaluations.get(name), key) for run in runs]
        rows.append((f"{'kNN' if classifier == 'knn' else classifier}, {features}: {what}", *shown))
    return Grid(f"Evaluation {name}, %", ("features", *_labels(runs)), rows, left=1)


def _accuracy(evaluation: Evaluation | None, key: tuple[str, str, str]) -> str:
    if evaluation is None or key not in evaluation.scores:
        return _NOTHING
    return f"{100 * evaluation.scores[key]:.1f}"
