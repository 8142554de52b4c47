"""Training from Python: `gmssl.train(...)` in notebooks and scripts, and what it returns."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmssl.errors import RecipeError, TrainingError
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.system.table import Table
from gmssl.training.run import train as run_training

if TYPE_CHECKING:
    import torch


class Run:
    """A run folder; `gmssl.Run("runs/quickstart/…")` opens one that exists.

    Whatever takes the path of a run takes this: `gmssl.evaluate(run)`, `Path(run)`, `open(run.folder / "metrics.csv")`.

    Attributes:
        folder: where everything lies.
        recipe: the resolved recipe.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Open a run folder.

        Raises:
            TrainingError: there is no run folder, or it has no recipe.
            RecipeError: a recipe that this version does not understand.
        """
        from gmssl.evaluation.runs import run_recipe

        self.folder = Path(folder)
        self.recipe: Recipe = run_recipe(self.folder)

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def metrics(self) -> dict[str, list[float]]:
        """The columns of metrics.csv, a number for each logged step and NaN for an empty cell."""
        return _columns(self.folder / "metrics.csv")

    @property
    def probe(self) -> dict[str, list[float]]:
        """The columns of probe.csv: `step`, `epoch` and `knn_accuracy`, the untrained encoder first; empty if none."""
        return _columns(self.folder / "probe.csv")

    def encoder(self) -> torch.nn.Module:
        """The trained encoder, `[B,K,H,W] -> (map, pooled [B,C])`, in evaluation mode on the CPU.

        Raises:
            TrainingError: there are no weights, or the file is damaged, refused or of another encoder.
        """
        from gmssl.evaluation.runs import trained

        return trained(self.folder, self.recipe)[0].eval()


def train(
    recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe | None = None,
    overrides: Sequence[str] = (),
    *,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Run:
    """Pre-train an encoder, as `gmssl train` does; the same recipe gives the same weights.

    Args:
        recipe: path of a YAML file, a mapping, or what `gmssl.load_recipe` returned; None with `resume`.
        overrides: `"path=value"` strings as `--set` takes them, such as `"train.epochs=3"`.
        out: run folder, new or empty; default: `runs/<recipe>/<time>`.
        resume: run folder, or a `Run`, to continue; the result is, bit for bit, that of a run that was never stopped.
        quiet: print nothing, not even warnings.

    Returns:
        The run.

    Raises:
        GmsslError: a fault the user can mend; if it is known before the first step, no folder is left behind.
        KeyboardInterrupt: Ctrl-C, or the notebook's stop button; a checkpoint is written, from which `resume`
            continues.
    """
    from rich.console import Console

    if resume is not None and out is not None:
        raise RecipeError("out and resume name two run folders; give one of them.")
    if recipe is None and resume is None:
        raise RecipeError("no recipe is given; name a YAML file (see recipes/), or a run with resume.")
    if recipe is None:
        assert resume is not None
        recipe = Run(resume).recipe
    loaded = load_recipe(recipe.model_dump(mode="json") if isinstance(recipe, Recipe) else _source(recipe), overrides)
    if loaded.train.devices > 1 and hasattr(sys, "ps1"):  # Python says so in notebooks and at its prompt
        raise TrainingError(
            f"train.devices is {loaded.train.devices}, but a notebook cannot start the other processes; set "
            "train.devices=1, or run `gmssl train` in a terminal."
        )
    name = Path(recipe).stem if isinstance(recipe, str | os.PathLike) else "recipe"
    try:
        folder = run_training(
            loaded,
            name,
            None if out is None else Path(out),
            None if resume is None else Path(resume),
            Console(quiet=quiet),
        )
    except SystemExit as end:
        if end.code != 128 + signal.SIGINT:
            raise
        raise KeyboardInterrupt("training was stopped; gmssl.train(resume=...) goes on") from None
    return Run(folder)


def _source(recipe: str | os.PathLike[str] | Mapping[str, Any]) -> Path | Mapping[str, Any]:
    return recipe if isinstance(recipe, Mapping) else Path(recipe)


def _columns(path: Path) -> dict[str, list[float]]:
    table = Table(path)
    return {column: table.numbers(column) for column in table.columns()}
