"""`gmssl train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmssl.commands.common.options import RECIPE_HELP, Overrides, examples, recipe_names

TRAIN_EXAMPLES = examples(
    "gmssl train quickstart  # a first run; it needs no images",
    "gmssl train brain_tumor_r18 --set data.root=my/images",
    "gmssl train --resume runs/quickstart/20261126-120647",
)


def train(
    recipe: Annotated[
        Path | None,
        typer.Argument(metavar="RECIPE", help=f"{RECIPE_HELP} Not needed with --resume.", autocompletion=recipe_names),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder. Default: runs/<recipe>/<time>.", show_default=False)
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Continue this run; the result is, bit for bit, that of a run never stopped."),
    ] = None,
) -> None:
    """Pre-train an encoder as a recipe says, and print the run folder."""
    from gmssl.errors import RecipeError
    from gmssl.recipe.recipe import load_recipe

    if resume is not None and out is not None:
        raise RecipeError("--out and --resume name two run folders; give one of them.")
    if recipe is None and resume is None:
        raise RecipeError(
            "no recipe is given; name a YAML file or a shipped recipe (gmssl recipes list), or a run with --resume."
        )
    source = recipe if recipe is not None else _recipe_of(resume)
    loaded = load_recipe(source, overrides or [])

    # Only now: the recipe is right, and a wrong one has been refused without waiting for torch.
    from rich.console import Console

    from gmssl.training.run import train as run_training

    name = source.stem if recipe is not None else source.parent.parent.name or source.stem
    folder = run_training(loaded, name, out, resume, Console())
    typer.echo(folder)


def _recipe_of(run: Path | None) -> Path:
    """The resolved recipe in a run folder."""
    from gmssl.errors import RecipeError

    path = Path(run or ".") / "recipe.yaml"
    if not path.is_file():
        folder = path.parent
        what = (
            "it has no recipe.yaml" if folder.is_dir() else "it is a file" if folder.exists() else "it does not exist"
        )
        raise RecipeError(f"--resume {run} is no run folder: {what}. Give the folder that `gmssl train` printed.")
    return path
