"""The progress of an evaluation: a bar with the time left on a terminal, and a line for every stage that is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Advance: TypeAlias = Callable[[int], None]
"""Called with how many units (images, fits) are done since the last call."""


def unwatched(done: int) -> None:
    """An `Advance` for work that nobody watches."""


class Stages:
    """Tells a console what is being done and what was done; None tells nobody."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console

    @contextmanager
    def stage(self, words: str, total: int, unit: str) -> Iterator[Advance]:
        """Tell of a stage of `total` units while the block runs, which calls what it is given.

        A stage that ends in an error leaves no line, so that the error's message stands alone.
        """
        console = self._console
        if console is None:
            yield unwatched
            return
        start = perf_counter()
        if console.is_terminal:
            with _bar(console) as bar:
                task = bar.add_task(words, total=total, unit=unit)
                yield lambda done: bar.advance(task, done)
        else:
            yield unwatched
        line = f"{words}: {total} {unit}, {perf_counter() - start:.1f} s"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _bar(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
