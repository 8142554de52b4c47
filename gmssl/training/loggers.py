"""The loggers of a run are started on the first rank, left out when they fail, and found again on resuming."""

from __future__ import annotations

import contextlib
import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger as LightningLogger
from rich.console import Console

from gmssl.errors import GmsslError, TrainingError
from gmssl.interfaces.logger import LoggedRun, Logger, Started
from gmssl.recipe.recipe import Recipe
from gmssl.system.cluster.steps import rank
from gmssl.system.files import replacing
from gmssl.system.json_text import json_text

IDENTITIES = "loggers.json"
"""The file in the run folder that says, for each kind of logger, what it calls the run."""


@contextlib.contextmanager
def started_loggers(
    recipe: Recipe, folder: Path, step: int | None, console: Console
) -> Iterator[list[LightningLogger]]:
    """The loggers of a run, for the block that trains.

    Args:
        recipe: recipe whose `loggers` are started.
        folder: folder of the run.
        step: optimiser step that the run is resumed at, or None.
        console: where the user is told how to look at services, and which of them failed.

    Raises:
        TrainingError: a logger does not start, for example because a server does not answer.
    """
    opened: list[Guarded] = []
    succeeded = False
    try:
        if rank() == 0:
            known = _read(folder / IDENTITIES)
            for number, part in enumerate(recipe.loggers):
                run = LoggedRun(folder, recipe.model_dump(mode="json"), step, known.get(part.kind, {}))
                started = _start(number, part, run)
                opened.append(Guarded(part, started, console))
                _keep(folder / IDENTITIES, known, part.kind, started.identity)
                if started.where:
                    console.print(f"{part.kind}: {started.where}", markup=False, highlight=False, soft_wrap=True)
        yield list(opened)
        succeeded = True
    finally:
        for logger in opened:
            logger.finish(succeeded)


def _start(number: int, part: Logger, run: LoggedRun) -> Started:
    try:
        return part.start(run)
    except GmsslError:
        raise
    except Exception as error:  # each library has its own ways to say that it cannot begin
        raise TrainingError(f"loggers.{number}: {part.kind} does not start: {_reason(error)}. {part.remedy}") from error


def _reason(error: Exception) -> str:
    """The message of an error in one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path} cannot be read ({error}); remove it, and services log the rest of the run as a new one."
        ) from None


def _keep(path: Path, known: dict[str, dict[str, str]], kind: str, identity: Mapping[str, str]) -> None:
    if identity and identity != known.get(kind):
        known[kind] = dict(identity)
        with replacing(path) as file:
            file.write((json_text(known) + "\n").encode("utf-8"))


class Guarded(LightningLogger):
    """Passes everything on to a logger; after its first failure the logger is left out, and the training continues.

    A service that goes away in the night must not end a run of days whose tables lie in its folder anyway.
    """

    def __init__(self, part: Logger, started: Started, console: Console) -> None:
        super().__init__()
        self._started, self._inner = started, started.logger
        self._part, self._console, self._failed = part, console, False

    @property
    def name(self) -> str:
        """The kind, so that no server is asked for a name."""
        return self._part.kind

    @property
    def version(self) -> str:
        """Lightning asks for it; none is needed."""
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Pass on a row of a table."""
        self._try(lambda: self._inner.log_metrics(dict(metrics), step))

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """This is not called by us, because parts log the recipe in their own way."""
        self._try(lambda: self._inner.log_hyperparams(params, *args, **kwargs))

    def save(self) -> None:
        """Pass on Lightning's request to save."""
        self._try(self._inner.save)

    def finalize(self, status: str) -> None:
        """Pass on that Lightning is done."""
        self._try(lambda: self._inner.finalize(status))

    def finish(self, succeeded: bool) -> None:
        """Let the part send what is left."""
        self._try(lambda: self._part.finish(self._started, succeeded))

    def _try(self, action: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            action()
        except Exception as error:
            self._failed = True
            self._console.print(
                f"warning: {self._part.kind} fails and gets no more numbers; the tables in the run folder have all "
                f"({_reason(error)}).",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )
