"""`gmssl evaluate` for benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from gmssl.downstream.results import Result
    from gmssl.downstream.running import Told


def is_benchmark(path: Path) -> bool:
    """Whether a YAML file is meant, or the name of a shipped benchmark, and no folder."""
    from gmssl.recipe.library import located

    if path.is_dir():
        return False
    return path.suffix in (".yaml", ".yml") or located(path, "downstream") != path


def names_benchmark(path: Path) -> bool:
    """Whether a file that may be a recipe, too, is a benchmark: it has cases, or a shipped benchmark has its name."""
    from gmssl.recipe.library import located

    if path.is_file():
        try:
            return any(line.startswith("cases:") for line in path.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError):
            return False  # what is wrong is told where the file is read as a recipe
    return located(path) == path and located(path, "downstream") != path


def check_benchmark(path: Path, overrides: Sequence[str], console: Console) -> None:
    """Load a benchmark and print what decides it; no case is listed."""
    from rich.table import Table

    from gmssl.downstream.recipe import load_benchmark

    benchmark = load_benchmark(path, overrides)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in benchmark.model_dump(mode="json", exclude_defaults=True).items():
        short = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        table.add_row(name, ", ".join(map(str, short)) if isinstance(short, list) else str(short))
    console.print(table, markup=False)
    console.print(f"{path} is a valid benchmark.", markup=False, soft_wrap=True)


def near(path: Path) -> str:
    """` (did you mean …?)` with shipped benchmarks of similar names; nothing where there are none."""
    from gmssl.recipe.library import near_names

    names = [] if path.exists() else near_names(path, "downstream")
    return f" (did you mean {' or '.join(names)}?)" if names else ""


def refuse_given(context: typer.Context, names: Sequence[str], reason: str) -> None:
    """Refuse options that were given and have no meaning here."""
    given = [name for name in names if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if given:
        option = {"overrides": "set"}.get(given[0], given[0]).replace("_", "-")
        raise typer.BadParameter(f"--{option} {reason}.")


def run(path: Path, encoders: Sequence[str], json: Path | None, out: Path | None, overrides: Sequence[str]) -> None:
    """Run a benchmark and print its table."""
    from gmssl.downstream.recipe import load_benchmark
    from gmssl.errors import RecipeError

    if json is not None and not json.absolute().parent.is_dir():
        raise RecipeError(f"--json {json}: there is no folder {json.parent}. Make it, or name another file.")
    benchmark = load_benchmark(path, overrides)

    # Only now: a wrong benchmark has been refused without waiting for torch.
    from rich.console import Console

    from gmssl.downstream.results import to_json
    from gmssl.downstream.running import run_benchmark
    from gmssl.system.files import write_whole

    with _Progress() as progress:
        results = run_benchmark(
            benchmark, benchmark.name or path.stem, encoders, out or Path("runs/downstream") / path.stem, progress.tell
        )
    if json is not None:
        write_whole(json, to_json(results))
    _print(results, Console(highlight=False))


def _print(results: Sequence[Result], console: object) -> None:
    from rich.console import Console

    from gmssl.commands.common.options import widen
    from gmssl.downstream.tables import facts, grids

    assert isinstance(console, Console)
    tables = [grid.to_rich() for grid in grids(results)]
    widen(console, tables)
    for line in facts(results):
        console.print(line, markup=False, soft_wrap=True)
    for table in tables:
        console.print()
        console.print(table)


class _Progress:
    """A bar on standard error: which training of how many, and its epoch."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._shown = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} epochs"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._shown.add_task("reading the cases", total=None, visible=False)

    def __enter__(self) -> _Progress:
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def tell(self, told: Told) -> None:
        """Show where the benchmark stands."""
        words = f"{told.encoder}, {told.fold}, seed {told.seed}"
        self._shown.update(
            self._task,
            description=words,
            total=told.fits * told.epochs,
            completed=told.fit * told.epochs + told.epoch + 1,
            visible=True,
        )
