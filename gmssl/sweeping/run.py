"""`sweep`: all cells × seeds, one process a run, finished ones left alone, failed ones reported at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gmssl.errors import DataError, RecipeError, TrainingError
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
from gmssl.sweeping.labelled import NEIGHBOURS, LabelledSet, read_sets
from gmssl.sweeping.metrics import of_evaluation, of_training
from gmssl.sweeping.process import in_order_of_ending, run_command, sigterm_as_exit
from gmssl.sweeping.progress import Progress, tell
from gmssl.sweeping.recipes import read_recipes, read_settings, read_variants, recipe_axis, refuse_foreign, variant_axis
from gmssl.sweeping.reports import Evaluation, read_report, refuse_other_sets
from gmssl.sweeping.reuse.digests import Digests
from gmssl.sweeping.reuse.program import Hardware
from gmssl.sweeping.reuse.taking import remove_leftovers, take_runs
from gmssl.system.cluster.tasks import at_work
from gmssl.system.files import replacing
from gmssl.training.folder import making

if TYPE_CHECKING:
    from rich.console import Console


NOTHING = "finished before"
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


Ending: TypeAlias = tuple[str, str | None]
"""What was done for a run, and why it failed; None if it did not."""


@dataclass(frozen=True)
class Work:
    """A run with all that is to be done for it, wherever that happens.

    Attributes:
        folder: of the sweep.
        name: of the run's folder.
        recipe: what is trained.
        data: what it is evaluated on; nothing where runs are not evaluated.
    """

    folder: SweepFolder
    name: str
    recipe: Recipe
    data: tuple[LabelledSet, ...]

    @property
    def done(self) -> bool:
        """Whether neither training nor evaluations are left."""
        reports = (self.folder.evaluation(self.name, data) for data in self.data)
        return is_finished(self.folder.run(self.name)) and all(report.is_file() for report in reports)

    def do(self, digests: Digests, lock: int, taken: Path | None) -> Ending:
        """Train and evaluate as far as needed."""
        folder, log, jobs = self.folder.run(self.name), self.folder.log(self.name), digests.hardware.jobs
        done = [] if taken is None else [_TAKEN.format(taken)]
        if not is_finished(folder):
            resumed = has_checkpoint(folder)
            if resumed:
                arguments = ["--resume", str(folder)]
            else:
                recipe = self.folder.recipe(self.name)
                with replacing(recipe) as file:
                    file.write(self.recipe.dump().encode("utf-8"))
                arguments = [str(recipe), "--out", str(folder)]
            digests.begin(self.name, self.recipe, resumed)
            fault = run_command(["train", *arguments], log, lock, jobs)
            if fault is not None:
                return "", fault
            done.append("resumed and finished" if resumed else "trained")
        digests.end(self.name, self.recipe)
        for data in self.data:
            if self.folder.evaluation(self.name, data).is_file():
                continue
            options = [*data.options, "--references", str(self.folder.references)]
            evaluate = partial(run_command, ["evaluate", str(folder), *options], log, lock, jobs)
            fault = digests.around_evaluation(self.name, self.recipe, data, evaluate)
            where = f" on {data.name}" if data.name else ""
            if fault is not None:
                return "", f"evaluation{where}: {fault}"
            done.append(f"evaluated{where}")
        return ", ".join(done) or NOTHING, None


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

    @property
    def works(self) -> list[Work]:
        """Of the runs, in their order."""
        data = self.definition.data if self.evaluate else ()
        return [Work(self.folder, run.name, run.recipe, data) for run in self.runs]


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
    elsewhere: bool = False,
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
        elsewhere: whether runs are trained on other machines, whose devices are not known here.

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
    refuse_unplannable(to_train, elsewhere)
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


Launch: TypeAlias = Callable[
    [Plan, int, Sequence[SweepFolder], Callable[[str], None]], Generator[tuple[int, Ending], None, None]
]
"""Does the works of a plan, so many at a time, with other sweeps to take runs from; calls back with the name of each
that has begun, and gives the place of each that has ended. Closed, it stops what is in progress."""


def run_sweep(
    plan: Plan, console: Console, jobs: int = 1, reuse: Sequence[SweepFolder] = (), launch: Launch | None = None
) -> Outcome:
    """Do the runs that are not done yet, `jobs` at a time, and read the numbers of all.

    Args:
        plan: from `plan_sweep`.
        console: for progress.
        jobs: runs at a time.
        reuse: other sweeps whose finished runs are taken instead of trained anew, from `open_sources`.
        launch: what does the runs; default: processes of this machine. For tasks of a cluster, see
            `gmssl.sweeping.launching`.

    Raises:
        TrainingError: the folder cannot be made, or tasks of SLURM work in it.
        DataError: the runs were evaluated on different images, because they changed in between.
    """
    root = plan.folder.root
    with making(root):
        pass  # the lock, which lies there, is held before the first file is written
    failures = {}
    works = plan.works
    digests = Digests(plan.folder, Hardware(jobs))
    say = partial(tell, console)

    def do(at: int) -> Ending:
        progress.started(works[at].name)
        return works[at].do(digests, lock, taken.get(works[at].name))

    with sigterm_as_exit(), locked(root, lambda: say(f"waiting for another process that works in {root}")) as lock:
        if launch is None:
            refuse_at_work(plan.folder)
        with making(root):
            write_definition(plan.folder, plan.definition)
        taken = {}
        if launch is None:  # tasks take runs on their own machines, whose hardware decides
            remove_leftovers(plan.folder)
            recipes = {work.name: work.recipe for work in works}
            taken = take_runs(recipes, works[0].data, reuse, digests, say) if reuse else {}
            endings = in_order_of_ending(do, len(works), jobs)
        progress = Progress(console, len(works), plan.folder.logs, sum(not work.done for work in works), jobs)
        if launch is not None:
            endings = launch(plan, jobs, reuse, progress.started)
        with progress, contextlib.closing(endings):
            for at, (done, fault) in endings:
                name = works[at].name
                if fault is not None:
                    failures[name] = fault
                worked = fault is not None or done not in (NOTHING, _TAKEN.format(taken.get(name)))
                progress.ended(name, done if fault is None else f"failed: {fault}", worked)
        return Outcome(_values(plan, failures), failures)


def refuse_at_work(folder: SweepFolder) -> None:
    """Before runs are trained by processes of this machine.

    Raises:
        TrainingError: tasks of SLURM, sent by a sweep that was killed, wait or train in the folder.
        DataError: there may be some, and SLURM does not answer.
    """
    numbers = sorted(at_work(folder.tasks("slurm")))
    if numbers:
        raise TrainingError(
            f"in {folder.root} tasks of SLURM wait or work: {', '.join(numbers[:8])}. Add --launcher slurm to go on "
            "with them, or stop them with scancel."
        )


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
