"""What several commands share: arguments, and tables for the terminal, a pipe or a file."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from gmssl.interfaces.part import Part
    from gmssl.system.grid import Grid


def examples(*commands: str) -> str:
    """The end of a command's help: examples to copy, each a line with a comment.

    They are paragraphs, because some versions of typer join the lines of one.
    """
    return "\n\n".join(["Examples:", *commands])


def recipe_names(incomplete: str) -> list[str]:
    """Names of shipped recipes that begin like this, for the shell; where none does, it completes names of files."""
    from gmssl.recipe.library import shipped_names

    return [name for name in shipped_names() if name.startswith(incomplete)]


def variants_names(incomplete: str) -> list[str]:
    """Names of shipped files of variants that begin like this, for the shell."""
    from gmssl.recipe.library import shipped_names

    return [name for name in shipped_names("variants") if name.startswith(incomplete)]


def corpus_names(incomplete: str) -> list[str]:
    """Names of shipped corpora that begin like this, for the shell."""
    from gmssl.recipe.library import shipped_names

    return [name for name in shipped_names("corpus") if name.startswith(incomplete)]


def benchmark_names(incomplete: str) -> list[str]:
    """Names of shipped benchmarks that begin like this, for the shell; where none does, it completes names of files."""
    from gmssl.recipe.library import shipped_names

    return [name for name in shipped_names("downstream") if name.startswith(incomplete)]


def slot_names(incomplete: str) -> list[str]:
    """Slots that begin like this, for the shell."""
    from gmssl.interfaces.registry import GROUPS

    return [slot for slot in GROUPS if slot.startswith(incomplete)]


def kind_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Kinds of the slot that stands before them on the command line, for the shell."""
    from gmssl.interfaces.registry import GROUPS, kinds

    slot = ctx.params.get("slot")
    return [kind for kind in kinds(slot) if kind.startswith(incomplete)] if slot in GROUPS else []


def solver_names(incomplete: str) -> list[str]:
    """Kinds of solvers that begin like this, for the shell."""
    from gmssl.interfaces.registry import kinds

    return [kind for kind in kinds("solver") if kind.startswith(incomplete)]


def dataset_names(incomplete: str) -> list[str]:
    """Datasets of the shipped catalogue that begin like this, for the shell."""
    from gmssl.corpus.catalogue.loading import SHIPPED

    return sorted(path.stem for path in SHIPPED.rglob("*.yaml") if path.stem.startswith(incomplete))


RECIPE_HELP = "A YAML file, or the name of a shipped recipe (see `gmssl recipes list`)."

RecipePath: TypeAlias = Annotated[Path, typer.Argument(metavar="RECIPE", help=RECIPE_HELP, autocompletion=recipe_names)]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting, e.g. train.epochs=3. Repeatable."),
]

Neighbours: TypeAlias = Annotated[int, typer.Option(min=1, help="Number of neighbours of the kNN classifier.")]
Workers: TypeAlias = Annotated[int, typer.Option(min=0, help="Number of processes that load images.")]


def part_with(slot: str, kind: str, overrides: list[str]) -> Part:
    """A part by its kind and `--set` options.

    Raises:
        RecipeError: unknown slot, kind or setting, or a setting of the wrong type.
        PluginError: the plugin that provides the kind is broken.
    """
    from gmssl.interfaces.part import Part
    from gmssl.interfaces.registry import part_of
    from gmssl.recipe.recipe import apply_override

    settings: dict[str, Any] = {"kind": kind}
    for override in overrides:
        apply_override(settings, override)
    part = part_of(slot, settings)
    assert isinstance(part, Part)
    return part


def show(grids: Sequence[Grid], summary: str = "") -> None:
    """Print a summary, if there is one, and tables with their notes."""
    from rich.console import Console

    console = Console(highlight=False)
    tables = [grid.to_rich() for grid in grids]
    widen(console, tables)
    if summary:
        console.print(summary, markup=False)
    for number, (table, grid) in enumerate(zip(tables, grids, strict=True)):
        if number or summary:
            console.print()
        console.print(table)
        if grid.note:
            console.print(grid.note, markup=False)


def widen(console: Console, tables: Sequence[Table]) -> None:
    """Make each row one line in a file or a pipe, which have no width; a terminal folds long rows."""
    from rich.console import Console

    if not console.is_terminal:
        unlimited = Console(width=10_000)
        console.width = max([console.width, *(unlimited.measure(table).maximum for table in tables)])


def conditions(option: str, given: list[str] | None, path: Path | None, needed: str) -> dict[str, str]:
    """`["split=train"]` as `{"split": "train"}`; conditions without a manifest are refused."""
    found: dict[str, str] = {}
    for text in given or []:
        column, equals, value = text.partition("=")
        if not equals or not column:
            raise typer.BadParameter(f"{option} {text!r} is not of the form column=value; write split=train.")
        found[column] = value
    if found and path is None:
        raise typer.BadParameter(f"{option} selects rows of a manifest; name it with {needed}.")
    return found


TASKS = 16
"""Tasks of an array that work at a time, if nobody says how many."""


class Launcher(StrEnum):
    """What does the work of a command: processes that it starts, or tasks of a cluster that it sends."""

    pool = "pool"
    slurm = "slurm"
    local = "local"


Parameters: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Parameter of each task, for submitit, e.g. timeout_min=240, mem_gb=8 or slurm_partition=cpu. Repeatable.",
    ),
]
