"""Data parts find images and load them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

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

    records: list[Record]

    def __len__(self) -> int:
        """Number of images."""
        ...

    def load(self, index: int, channels: int) -> Image.Image:
        """The image as 8-bit grey ("L", channels = 1) or colour ("RGB", channels = 3).

        Raises:
            DataError: the image cannot be read; the message names it.
        """
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
