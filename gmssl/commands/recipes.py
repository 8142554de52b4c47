"""`gmssl recipes list | show | copy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gmssl.commands.common.options import corpus_names, examples, recipe_names, variants_names, widen

RECIPES_LIST_EXAMPLES = examples("gmssl recipes list")
RECIPES_SHOW_EXAMPLES = examples("gmssl recipes show quickstart")
RECIPES_COPY_EXAMPLES = examples(
    "gmssl recipes copy quickstart  # to quickstart.yaml in this folder",
    "gmssl recipes copy quickstart mine.yaml",
)
recipes = typer.Typer(help="List, read and copy the recipes that gmssl ships.", no_args_is_help=True)


def _names(incomplete: str) -> list[str]:
    return recipe_names(incomplete) + variants_names(incomplete) + corpus_names(incomplete)


Name: TypeAlias = Annotated[
    str, typer.Argument(help="Name of a recipe, as `gmssl recipes list` prints it.", autocompletion=_names)
]


@recipes.command("list", epilog=RECIPES_LIST_EXAMPLES)
def list_recipes() -> None:
    """List the shipped recipes, variants for sweeps, corpora and benchmarks, each with a sentence on what it is."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from gmssl.recipe.library import shipped

    console = Console(highlight=False)
    tables: dict[str, Table] = {}
    for file in shipped():
        empty = Table(Column(file.sort, no_wrap=True), "what it is", box=None, padding=(0, 2, 0, 0))
        tables.setdefault(file.sort, empty).add_row(file.name, Text(file.sentence))
    widen(console, list(tables.values()))
    uses = {"variants": "gmssl sweep --variants", "corpus": "gmssl data build", "downstream": "gmssl evaluate"}
    for sort, table in tables.items():
        if sort in uses:
            console.print(f"\nFor {uses[sort]}:")
        console.print(table)
    console.print("\nTrain one by its name, as in `gmssl train quickstart`; `gmssl recipes copy NAME` makes it yours.")


@recipes.command(epilog=RECIPES_SHOW_EXAMPLES)
def show(name: Name) -> None:
    """Print a shipped recipe with its comments."""
    from gmssl.recipe.library import find_shipped

    typer.echo(find_shipped(name).path.read_text(encoding="utf-8"), nl=False)


@recipes.command(epilog=RECIPES_COPY_EXAMPLES)
def copy(
    name: Name,
    destination: Annotated[
        Path | None,
        typer.Argument(metavar="DEST", help="New file, or a folder for it. Default: NAME.yaml in this folder."),
    ] = None,
) -> None:
    """Copy a shipped recipe to a new file, where you can change it. A file that exists is never overwritten."""
    from gmssl.errors import RecipeError
    from gmssl.recipe.library import find_shipped

    file = find_shipped(name)
    target = Path(file.path.name) if destination is None else destination
    if target.is_dir():
        target = target / file.path.name
    try:
        with target.open("xb") as new:  # "x": another file that appears meanwhile is not overwritten either
            new.write(file.path.read_bytes())
    except FileExistsError:
        raise RecipeError(f"{target} exists and is not overwritten; name another file.") from None
    except OSError as error:
        raise RecipeError(
            f"{target} cannot be written: {error.strerror}. Name a file in a folder that exists."
        ) from None
    typer.echo(target)
