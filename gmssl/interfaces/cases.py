"""Cases are what downstream tasks learn from and are scored on: an image or a volume, its annotation, whose it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from gmssl.interfaces.part import Part

IMAGE = "image"
"""The role of the file that is looked at; every case has it."""


@dataclass(frozen=True)
class Case:
    """One image or volume with its annotation; nothing of it is opened yet.

    Attributes:
        name: unique among the cases of a benchmark and the same on every machine.
        files: role → path, such as `image`, `mask`, `second_observer`, `boxes`; a role without a file is left out.
        label: its class or grade, as the annotation says it; None where there is none.
        patient: whose it is; None where it is not known.
        facts: what else is known of it (split, site, scanner …), by which it is chosen and grouped.
    """

    name: str
    files: Mapping[str, Path]
    label: str | None = None
    patient: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def image(self) -> Path:
        """The file that is looked at."""
        return self.files[IMAGE]

    @property
    def unit(self) -> str:
        """What must never stand on both sides of a split: the patient, or the case itself where no patient is known."""
        return self.name if self.patient is None else f"patient {self.patient}"


class Cases(Part):
    """Where the cases of a benchmark come from."""

    slot: ClassVar[str] = "cases"

    @abstractmethod
    def cases(self) -> Sequence[Case]:
        """List them in a fixed order without opening images.

        Raises:
            DataError: nothing is there, a file is missing, or a table lacks a column; the message names the place.
        """
