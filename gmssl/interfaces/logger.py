"""Loggers: where the numbers of a run go besides its own tables."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from gmssl.interfaces.part import Part

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger as LightningLogger


@dataclass(frozen=True)
class LoggedRun:
    """What a logger is told about the run.

    Attributes:
        folder: the run folder, which exists.
        settings: the resolved recipe.
        step: the optimiser step that the run is resumed at; None if it starts at the first one.
        identity: `Started.identity` from the beginning of the run, so that a resumed run continues in the same place;
            empty for a new run.
    """

    folder: Path
    settings: Mapping[str, object]
    step: int | None
    identity: Mapping[str, str]

    @property
    def name(self) -> str:
        """The last two parts of the folder, such as `simclr_r18/20260131-120000`."""
        return "/".join(self.folder.absolute().parts[-2:])


@dataclass(frozen=True)
class Started:
    """A logger at work.

    Attributes:
        logger: gets each row of metrics.csv, timing.csv and probe.csv.
        identity: what `LoggedRun.identity` will be when the run is resumed; kept in the run folder, so no passwords.
        where: tells the user where to look; empty if that goes without saying.
    """

    logger: LightningLogger
    identity: Mapping[str, str] = field(default_factory=dict)
    where: str = ""


class Logger(Part):
    """Settings of a logger, which sends the numbers of a run somewhere.

    Only the first process of a run has loggers. The tables in the run folder are written whatever they do: one that
    fails while the run trains is reported once and left out from there on.
    """

    slot: ClassVar[str] = "logger"

    remedy: ClassVar[str] = "Correct its settings, or take it out of `loggers`."
    """What a user can do when the logger does not start; the message ends with it."""

    def missing(self) -> str | None:
        """What has to be installed first and how, as the end of a sentence; None if everything is there."""
        return None

    @abstractmethod
    def start(self, run: LoggedRun) -> Started:
        """Begin to log, or continue, before the first step.

        Raises:
            Exception: any; it is shown to the user beside `remedy`, and nothing has been trained.
        """

    def finish(self, started: Started, succeeded: bool) -> None:
        """Send what is left, after Lightning's own `finalize`."""
        return None
