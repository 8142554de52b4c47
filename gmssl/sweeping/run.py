"""`sweep`: all cells × seeds, one process a run, finished ones left alone, failed ones reported at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmssl.errors import DataError, RecipeError
from gmssl.recipe.recipe import Recipe
from gmssl.sweeping.axes import Axis, read_axes
from gmssl.sweeping.cells import Cell, cell_names, make_cells
from gmssl.sweeping.checks import refuse_other_probes, refuse_unbuildable, refuse_unfit_evaluation, refuse_unplannable
from gmssl.sweeping.folder import (
    Definition,
    SweepFolder,
    default_root,
    has_checkpoint,
    is_finished,
    locked,
    order_of_names,
    refuse_other,
    refuse_other_recipe,
    write_definition,
)
from gmssl.sweeping.labelled import NEIGHBOURS, read_sets
from gmssl.sweeping.metrics import of_evaluation, of_training
from gmssl.sweeping.process import in_order_of_ending, run_command, sigterm_as_exit
from gmssl.sweeping.progress import Progress, tell
from gmssl.sweeping.recipes import read_recipes, read_settings, read_variants, recipe_axis, refuse_foreign, variant_axis
from gmssl.sweeping.reports import Evaluation, read_report, refuse_other_sets
from gmssl.sweeping.reuse.digests import Digests
from gmssl.sweeping.reuse.program import Hardware
from gmssl.sweeping.reuse.taking import remove_leftovers, take_runs
from gmssl.system.files import replacing
from gmssl.training.folder import making

if TYPE_CHECKING:
    from rich.console import Console


_NOTHING = "finished before"
_TAKEN = "taken from {}"


@dataclass(frozen=True)
class Run:
    """A cell with a seed."""

    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.cell.name}_seed={self.seed}"

    @property
    def recipe(self) -> Recipe:
        """What is trained."""
        return self.cell.recipe_of(self.seed)


@dataclass(frozen=True)
class Plan:
    """A sweep that has been checked, and of which nothing is written yet.

    Attributes:
        axes: of the grid.
        cells: the first is the one that others are compared with.
        seeds: of each cell's runs, in the order in which they are done.
        evaluate: classifiers to report, "knn" and "linear"; none where runs are not evaluated.
        definition: what it shares with earlier calls in the same folder.
        folder: where it lives.
    """

    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    evaluate: tuple[str, ...]
    definition: Definition
    folder: SweepFolder

    @property
    def runs(self) -> list[Run]:
        """Seed by seed, so that a sweep that is stopped early can compare all cells."""
        return [Run(cell, seed) for seed in self.seeds for cell in self.cells]


@dataclass(frozen=True)
class Outcome:
    """What came of a sweep.

    Attributes:
        values: (cell name, seed) → metric name → value, of the runs that ended well.
        failures: run name → why it did not.
    """

    values: dict[tuple[str, int], dict[str, float]]
    failures: dict[str, str]


def plan_sweep(
    recipes: Sequence[Path],
    grid: Sequence[str],
    seeds: int | Sequence[int],
    evaluate: Sequence[str] = (),
    data: Sequence[str] = (),
    overrides: Sequence[str] = (),
    out: Path | None = None,
    variants: Path | None = None,
    tests: Sequence[str] = (),
    folds: int | None = None,
    neighbours: int = NEIGHBOURS,
) -> Plan:
    """Check everything that can be known before the first run; nothing is written.

    Args:
        recipes: YAML files; several are the first axis, `recipe`, whose values are the stems of the files.
        grid: `path=v1,v2` for each axis; may be empty where there are variants or several recipes.
        seeds: of each cell's runs; a number N stands for 0 … N − 1.
        evaluate: classifiers, "knn" and "linear".
        data: `[name=]path` of labelled images to evaluate on; default: those of the recipe's probe, else its own.
        overrides: `path=value`, for all cells.
        out: folder; default: `runs/sweeps/<recipes>-<digest of recipes and grid>`.
        variants: YAML file of named changes, the first axis; see `gmssl.sweeping.recipes`.
        tests: `[name=]path` of test sets; the data of that name is not cross-validated, but trained on.
        folds: of cross-validations; default: 5.
        neighbours: k of the kNN classifier.

    Raises:
        GmsslError: a fault of any of them, of any cell's recipe or images, or a folder of another sweep.
    """
    axes, cells, settings = _cells(recipes, grid, overrides, variants)
    refuse_other_probes(cells)
    sets = read_sets(data, tests, folds, neighbours)
    if not evaluate and sets != read_sets(()):
        given = f"--data {data[0]}" if data else f"--test {tests[0]}" if tests else "--folds or --neighbours"
        raise DataError(f"{given} is for evaluations; add --evaluate knn or --evaluate linear, or leave it out.")
    definition = Definition(settings, axes, sets, bool(evaluate))
    root = out if out is not None else default_root(recipes if variants is None else [variants], definition)
    refuse_other(root, definition)
    names = cell_names(axes, order_of_names(root))
    cells = tuple(replace(cell, name=name) for cell, name in zip(cells, names, strict=True))
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    plan = Plan(axes, cells, numbers, tuple(dict.fromkeys(evaluate)), definition, SweepFolder(root))
    for run in plan.runs:
        refuse_other_recipe(plan.folder.run(run.name), run.recipe)
    unfinished = {run.cell.name for run in plan.runs if not is_finished(plan.folder.run(run.name))}
    to_train = [cell for cell in cells if cell.name in unfinished]
    refuse_unplannable(to_train)
    refuse_unbuildable(to_train)
    if evaluate:
        for labelled in sets:
            refuse_unfit_evaluation(cells, labelled)
    return plan


def _cells(
    recipes: Sequence[Path], grid: Sequence[str], overrides: Sequence[str], variants: Path | None
) -> tuple[tuple[Axis, ...], tuple[Cell, ...], dict[str, Any]]:
    """Axes, cells, and the settings that they vary, which define the sweep."""
    if len(recipes) > 1:
        if variants is not None:
            raise RecipeError(
                f"--variants {variants} changes one recipe, and {len(recipes)} are given; name the others in that "
                "file, as in `simclr: {recipe: simclr.yaml}`."
            )
        settings = read_recipes(recipes, overrides)
        varied = read_axes(grid) if grid else ()
        axes = (*recipe_axis(settings), *varied)
        try:
            return axes, make_cells({}, ", ".join(map(str, recipes)), axes, settings), settings
        except RecipeError:
            refuse_foreign(recipes, varied, overrides)
            raise
    own = read_settings(recipes[0], overrides)
    changed = {} if variants is None else read_variants(variants, recipes[0], overrides)
    axes = (*variant_axis(changed), *(read_axes(grid) if grid or not changed else ()))
    return axes, make_cells(own, str(variants or recipes[0]), axes, changed), changed or own


def run_sweep(plan: Plan, console: Console, jobs: int = 1, reuse: Sequence[SweepFolder] = ()) -> Outcome:
    """Do the runs that are not done yet, `jobs` at a time, and read the numbers of all.

    Args:
        plan: from `plan_sweep`.
        console: for progress.
        jobs: runs at a time.
        reuse: other sweeps whose finished runs are taken instead of trained anew, from `open_sources`.

    Raises:
        TrainingError: the folder cannot be made.
        DataError: the runs were evaluated on different images, because they changed in between.
    """
    root = plan.folder.root
    with making(root):
        pass  # the lock, which lies there, is held before the first file is written
    failures = {}
    runs = plan.runs
    digests = Digests(plan.folder, Hardware(jobs))
    say = partial(tell, console)

    def do(at: int) -> tuple[str, str | None]:
        progress.started(runs[at].name)
        return _do(plan, runs[at], digests, lock, taken.get(runs[at].name))

    with sigterm_as_exit(), locked(root, lambda: say(f"waiting for another process that works in {root}")) as lock:
        with making(root):
            write_definition(plan.folder, plan.definition)
        remove_leftovers(plan.folder)
        sets = plan.definition.data if plan.evaluate else ()
        taken = take_runs({run.name: run.recipe for run in runs}, sets, reuse, digests, say) if reuse else {}
        progress = Progress(console, len(runs), plan.folder.logs, sum(not _is_done(plan, run) for run in runs), jobs)
        with progress, contextlib.closing(in_order_of_ending(do, len(runs), jobs)) as endings:
            for at, (done, fault) in endings:
                if fault is not None:
                    failures[runs[at].name] = fault
                worked = fault is not None or done not in (_NOTHING, _TAKEN.format(taken.get(runs[at].name)))
                progress.ended(runs[at].name, done if fault is None else f"failed: {fault}", worked)
        return Outcome(_values(plan, failures), failures)


def _is_done(plan: Plan, run: Run) -> bool:
    """Whether neither training nor evaluations are left."""
    sets = plan.definition.data if plan.evaluate else ()
    reports = (plan.folder.evaluation(run.name, data) for data in sets)
    return is_finished(plan.folder.run(run.name)) and all(report.is_file() for report in reports)


def _do(plan: Plan, run: Run, digests: Digests, lock: int, taken: Path | None) -> tuple[str, str | None]:
    """Train and evaluate as far as needed; returns what was done, and why it failed."""
    folder, log, jobs = plan.folder.run(run.name), plan.folder.log(run.name), digests.hardware.jobs
    done = [] if taken is None else [_TAKEN.format(taken)]
    if not is_finished(folder):
        resumed = has_checkpoint(folder)
        if resumed:
            arguments = ["--resume", str(folder)]
        else:
            recipe = plan.folder.recipe(run.name)
            with replacing(recipe) as file:
                file.write(run.recipe.dump().encode("utf-8"))
            arguments = [str(recipe), "--out", str(folder)]
        digests.begin(run.name, run.recipe, resumed)
        fault = run_command(["train", *arguments], log, lock, jobs)
        if fault is not None:
            return "", fault
        done.append("resumed and finished" if resumed else "trained")
    digests.end(run.name, run.recipe)
    for data in plan.definition.data if plan.evaluate else ():
        if plan.folder.evaluation(run.name, data).is_file():
            continue
        options = [*data.options, "--references", str(plan.folder.references)]
        evaluate = partial(run_command, ["evaluate", str(folder), *options], log, lock, jobs)
        fault = digests.around_evaluation(run.name, run.recipe, data, evaluate)
        where = f" on {data.name}" if data.name else ""
        if fault is not None:
            return "", f"evaluation{where}: {fault}"
        done.append(f"evaluated{where}")
    return ", ".join(done) or _NOTHING, None


def _values(plan: Plan, failures: dict[str, str]) -> dict[tuple[str, int], dict[str, float]]:
    values = {}
    evaluations: dict[str, list[Evaluation]] = {}
    for run in plan.runs:
        if run.name in failures:
            continue
        found = of_training(plan.folder.run(run.name))
        for data in plan.definition.data if plan.evaluate else ():
            report = read_report(plan.folder.evaluation(run.name, data))
            evaluations.setdefault(data.report, []).append(report)
            found |= of_evaluation(report, data, plan.evaluate)
        values[run.cell.name, run.seed] = found
    remedy = f"The images changed between the runs; remove {plan.folder.root}/runs/*/evaluation and repeat the command."
    for reports in evaluations.values():
        refuse_other_sets(reports, remedy)
    return values
