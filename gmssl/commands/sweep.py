"""`gmssl sweep` and `gmssl compare`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gmssl.commands.common.options import (
    TASKS,
    Launcher,
    Neighbours,
    Overrides,
    Parameters,
    examples,
    recipe_names,
    show,
    variants_names,
)

if TYPE_CHECKING:
    from gmssl.sweeping.run import Launch, Outcome, Plan


SWEEP_EXAMPLES = examples(
    "gmssl sweep quickstart --grid solver=robust_tabu,lagrange --seeds 2",
    "gmssl sweep simclr_r18 byol_r18 --set data.root=my/images --evaluate knn",
    "gmssl sweep lvm_med_corrected_r18 --variants methods_r18 --set data=phantoms",
    "gmssl sweep simclr_r18 byol_r18 --launcher slurm --jobs 8 --launch gpus_per_node=1",
)
COMPARE_EXAMPLES = examples("gmssl compare runs/quickstart/*  # all runs of a recipe")


class Classifier(StrEnum):
    """The classifiers of `gmssl evaluate`."""

    knn = "knn"
    linear = "linear"


Recipes: TypeAlias = Annotated[
    list[Path],
    typer.Argument(
        metavar="RECIPE",
        help="YAML files, or names of shipped recipes (see `gmssl recipes list`). Several form the first axis.",
        autocompletion=recipe_names,
    ),
]
Grid: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH=V1,V2", help="A setting and its values, e.g. solver=robust_tabu,lagrange. Repeatable."),
]
Seeds: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="N|A-B,C",
        help="Runs of each cell: a number, for the seeds 0, 1, …, or the seeds, e.g. 4-9 or 3,7,11 (7-7 is one).",
    ),
]
Evaluate: TypeAlias = Annotated[
    list[Classifier] | None, typer.Option(help="Also evaluate each run by this classifier. Repeatable.")
]
Data: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]PATH",
        help="Labelled images for --evaluate: a folder with a sub-folder for each class, or a CSV manifest. "
        "Repeatable. Default: the images of the recipe's probe, else those of the recipe.",
    ),
]
Tests: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]PATH",
        help="Test set for the --data of that name, whose images are then for training only. Repeatable.",
    ),
]
Folds: TypeAlias = Annotated[
    int | None, typer.Option(min=2, help="Number of folds of the cross-validations. Default: 5.", show_default=False)
]
Variants: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="YAML file of named changes, or of other recipes, which are compared as the first axis; or the name of a "
        "shipped file, e.g. methods_r18.",
        autocompletion=variants_names,
    ),
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder of the sweep. Default: runs/sweeps/<recipes>-<digest>.", show_default=False
    ),
]
Jobs: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Number of runs at a time: processes, which share the cores, or tasks of SLURM. Default: 1, or {TASKS} "
        "tasks.",
        show_default=False,
    ),
]
HowLaunched: TypeAlias = Annotated[
    Launcher,
    typer.Option(
        help="pool: processes of this machine. slurm: an array of jobs, a task for each run; the folder of the sweep "
        "lies where all machines see it. local: what slurm does, tried on this machine."
    ),
]
Reuse: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Take finished runs of the same recipe, images, program and hardware from this sweep, or from the sweeps "
        "in this folder, instead of training them anew. Repeatable.",
    ),
]
Only: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Show these results only in tables and picture, by metric or classifier, e.g. knn,linear; CSVs hold all.",
        show_default=False,
    ),
]


def sweep(
    recipes: Recipes,
    grid: Grid = None,
    seeds: Seeds = "3",
    evaluate: Evaluate = None,
    data: Data = None,
    test: Tests = None,
    folds: Folds = None,
    neighbours: Neighbours = 20,
    variants: Variants = None,
    jobs: Jobs = None,
    launcher: HowLaunched = Launcher.pool,
    launch: Parameters = None,
    reuse: Reuse = None,
    only: Only = None,
    overrides: Overrides = None,
    out: Out = None,
) -> None:
    """Train all combinations of recipes, settings and seeds, and compare them.

    The same command continues a sweep that was stopped.
    """
    from rich.console import Console

    from gmssl.sweeping import results  # before runs of days, in which the program may be renewed
    from gmssl.sweeping.reuse.taking import open_sources
    from gmssl.sweeping.run import plan_sweep, run_sweep
    from gmssl.sweeping.seeds import read_seeds

    how = _how(launcher, launch or [])
    plan = plan_sweep(
        recipes,
        grid or [],
        read_seeds(seeds),
        [classifier.value for classifier in evaluate or []],
        data or [],
        overrides or [],
        out,
        variants,
        tests=test or [],
        folds=folds,
        neighbours=neighbours,
        elsewhere=launcher is Launcher.slurm,
    )
    chosen = results.read_only(plan, only)
    sources = open_sources(reuse or [], plan.folder.root)
    console = Console(stderr=True)
    try:
        outcome = run_sweep(plan, console, jobs or (TASKS if launcher is Launcher.slurm else 1), sources, how)
    except (KeyboardInterrupt, SystemExit):
        console.print("stopped; the same command goes on with this sweep", markup=False)
        raise
    _report(plan, ", ".join(recipe.name for recipe in recipes), outcome, chosen)
    for name, message in outcome.failures.items():
        console.print(f"failed: {name}: {message} (log: {plan.folder.log(name)})", markup=False, soft_wrap=True)
    typer.echo(plan.folder.root)
    if outcome.failures:
        raise typer.Exit(1)


def _how(launcher: Launcher, launch: list[str]) -> Launch | None:
    """How runs are sent to a cluster; None for processes of this machine."""
    if launcher is not Launcher.pool:
        from gmssl.sweeping.launching.launch import launching
        from gmssl.system.cluster.parameters import cluster_with

        return launching(cluster_with(launcher.value, launch))
    if launch:
        raise typer.BadParameter("--launch is for tasks of a cluster; add --launcher slurm.")
    return None


def _report(plan: Plan, source: str, outcome: Outcome, only: frozenset[str] | None) -> None:
    """Write the tables and the picture, and print the tables, of the chosen metrics or of all."""
    from gmssl.sweeping.picture import to_png
    from gmssl.sweeping.results import grids, results_csv, runs_csv, sections, to_markdown
    from gmssl.system.files import replacing

    found = sections(plan, outcome)
    shown = [section for section in found if only is None or section.metric.name in only]
    files = {
        "results.md": to_markdown(plan, source, shown, outcome).encode("utf-8"),
        "results.csv": results_csv(plan, found).encode("utf-8"),
        "runs.csv": runs_csv(plan, found).encode("utf-8"),
    }
    if shown:
        files["results.png"] = to_png(shown)
    for name, content in files.items():
        with replacing(plan.folder.root / name) as file:
            file.write(content)
    show(grids(plan, shown))


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of finished runs.")],
    evaluation: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Show only this report in RUN/evaluation. Repeatable. Default: all."),
    ] = None,
) -> None:
    """Compare finished runs: settings that differ, final metrics, evaluations."""
    from gmssl.sweeping.comparison import compare as compare_runs

    show(compare_runs(runs, evaluation or []))
