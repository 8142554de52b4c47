"""`gmssl check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gmssl.commands.common.options import Overrides, RecipePath, examples
from gmssl.commands.evaluate.benchmark import check_benchmark, names_benchmark

if TYPE_CHECKING:
    from gmssl.interfaces.part import Part
    from gmssl.objective.settings import MatchingSettings, TeacherSettings
    from gmssl.recipe.recipe import Recipe

CHECK_EXAMPLES = examples(
    "gmssl check quickstart --set solver=lagrange",
    "gmssl check brain_tumor_r18 --set data.root=my/images --dry-run",
)


def check(
    recipe: RecipePath,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Also run one tiny step, which needs the images.")] = False,
) -> None:
    """Check a recipe or a benchmark without training: its keys, its values, and whether its parts fit each other."""
    from rich.console import Console
    from rich.table import Table

    if names_benchmark(recipe):
        if dry_run:
            raise typer.BadParameter(f"--dry-run is for recipes, and {recipe} is a benchmark.")
        return check_benchmark(recipe, overrides or [], Console(highlight=False))
    from gmssl.commands.common.pretrained import pretrained_weights
    from gmssl.commands.common.warnings import warnings
    from gmssl.recipe.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    weights, differences = pretrained_weights(loaded)
    console = Console(highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in summary(loaded):
        table.add_row(name, text)
        for row in weights.items() if name == "encoder" else ():
            table.add_row(*row)
    console.print(table, markup=False)
    for warning in (*warnings(loaded), *differences):
        console.print(f"warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    if dry_run:
        from gmssl.training.dry import dry_run as run_dry

        console.print(run_dry(loaded), markup=False, soft_wrap=True)
    console.print(f"{recipe} is a valid recipe.", markup=False, soft_wrap=True)


def summary(recipe: Recipe) -> list[tuple[str, str]]:
    """Name and short text of everything that decides what a run does."""
    train = recipe.train
    lines = [
        ("protocol", recipe.protocol),
        ("data", _short(recipe.data)),
        ("balance", _short(recipe.balance)),
        (
            "views",
            f"{_short(recipe.views)}: {len(recipe.views.sizes)} views, {len(recipe.views.pairs)} matched pair(s)",
        ),
        ("encoder", _short(recipe.encoder)),
        *([("teacher", f"momentum {_range(recipe.teacher)}")] if recipe.teacher else []),
        *(
            (f"{place}{name}", text)
            for place, matching in recipe.matchings
            for name, text in _problem(matching, recipe)
        ),
        ("optimiser", f"{_short(recipe.optimiser)}, {_short(recipe.schedule)}"),
        (
            "train",
            f"{train.epochs} epochs of batches of {train.batch} on {train.devices} device(s), "
            f"{train.batch_per_step} images a step, {train.precision}",
        ),
    ]
    if recipe.probe is not None:
        lines.append(("probe", f"{_short(recipe.probe.data)} every {recipe.probe.every} epoch(s)"))
    lines.append(("loggers", ", ".join(map(_short, recipe.loggers)) or "none"))
    return lines


def _problem(matching: MatchingSettings, recipe: Recipe) -> list[tuple[str, str]]:
    terms = matching.affinity
    edge = ", ".join(map(_short, terms.edge)) or "no edge terms"
    factor = "" if matching.weight == 1 else f"{matching.weight:g} × "
    return [
        ("projector", ", then ".join(_short(head) for head in (matching.projector, matching.predictor) if head)),
        ("matched", f"{_short(matching.vertices)}{_graphs(matching, recipe)}; target {_short(matching.target)}"),
        ("graph", f"{_short(matching.graph)}, then {_short(matching.message_passing)}"),
        ("affinity", f"vertex: {', '.join(map(_short, terms.vertex))}; edge: {edge}; margin {matching.margin:g}"),
        ("solver", _short(matching.solver)),
        ("estimator", _short(matching.estimator)),
        ("loss", " + ".join(factor + _short(term) for term in (matching.loss, *matching.regularisers))),
    ]


def _range(teacher: TeacherSettings) -> str:
    return f"{teacher.momentum:g}" if teacher.final is None else f"{teacher.momentum:g} to {teacher.final:g}"


def _graphs(matching: MatchingSettings, recipe: Recipe) -> str:
    graphs = len(recipe.views.pairs) * matching.vertices.graphs(recipe.train.batch_per_step)
    return f": {graphs} graph pair(s) a step"


def _short(part: Part) -> str:
    """Kind and the settings that the recipe names."""
    changed = part.model_dump(mode="json", exclude_unset=True)
    settings = ", ".join(f"{name} {_value(value)}" for name, value in changed.items() if name != "kind")
    return f"{part.kind} ({settings})" if settings else part.kind


def _value(value: object) -> str:
    if isinstance(value, dict) and "kind" in value:
        rest = ", ".join(f"{name} {_value(inner)}" for name, inner in value.items() if name != "kind")
        return f"{value['kind']} [{rest}]" if rest else str(value["kind"])
    return str(value)
