"""Data parts find images and load them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from pydantic import Field

from gmssl.interfaces.part import Part

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Record:
    """What is known of one image without opening it; None where the source does not say."""

    name: str
    label: str | None = None
    patient: str | None = None
    dataset: str | None = None
    modality: str | None = None


class Images(Protocol):
    """A list of images; it can be pickled, and is cheap to construct."""

    @property
    def records(self) -> Sequence[Record]:
        """What is known of each image; it may be looked up when it is asked for, so walk through it once."""
        ...

    def __len__(self) -> int:
        """Number of images."""
        ...

    def load(self, index: int, channels: int) -> Image.Image:
        """The image as 8-bit grey ("L", channels = 1) or colour ("RGB", channels = 3).

        Raises:
            DataError: the image cannot be read; the message names it.
        """
        ...


@runtime_checkable
class FromFiles(Protocol):
    """Images that say which files they are read from, so that it is seen when these change.

    A list of images need not say so; a sweep then never takes a finished run of it from another sweep.
    """

    def files(self) -> Sequence[str] | None:
        """Paths in a fixed order; empty if no file is read, None if they are not known."""
        ...


@runtime_checkable
class TellsFacts(Protocol):
    """Images that can say one thing of all of them, faster than through their records."""

    def facts(self, name: str) -> Sequence[str | None]:
        """What the record of each image says: its label, patient, dataset or modality."""
        ...


class Data(Part):
    """Where training images come from."""

    slot: ClassVar[str] = "data"

    max_unreadable: float = Field(0.01, ge=0, le=1, description="share of unreadable images that fails the run")

    @abstractmethod
    def images(self) -> Images:
        """List the images without opening them.

        Raises:
            DataError: there are no images; the message names the place and what is expected.
        """
