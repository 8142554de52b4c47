"""Synthetic phantoms: images with structure to learn, for trials without any data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from gmssl.interfaces.data import Data, Record

if TYPE_CHECKING:
    from PIL import Image

MODALITIES = ("ct", "mri", "ultrasound", "xray", "microscopy")
PATTERNS = ("clear", "nodular", "reticular", "cystic", "cloudy")


class Phantoms(Data):
    """Organs with a diffuse pattern of disease, as five imaging modalities would show them.

    The label is the pattern: clear, nodular, reticular, cystic or cloudy. Modality, anatomy, contrast and its sign,
    brightness, noise and orientation vary at random, so the label is in the structure and not in grey values. Image i
    has pattern i mod 5 and modality (i // 5) mod 5, and depends on (seed, i) only: no download, no file.
    """

    kind: ClassVar[str] = "phantoms"

    number: int = Field(2000, ge=1, le=2_000_000, description="how many images")
    size: int = Field(64, ge=8, le=4096, description="their side in pixels")
    seed: int = Field(0, ge=0, lt=2**32, description="another seed gives other images, for a test set")

    def images(self) -> PhantomImages:
        """The images, each drawn when it is loaded."""
        return PhantomImages(self.number, self.size, self.seed)


@dataclass(eq=False)
class PhantomImages:
    """Phantoms as a list of images (see `gmssl.interfaces.data.Images`)."""

    number: int
    size: int
    seed: int
    records: list[Record] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.records = [_record(index) for index in range(self.number)]

    def __len__(self) -> int:
        """Number of images."""
        return self.number

    def files(self) -> tuple[str, ...]:
        """None are read."""
        return ()

    def load(self, index: int, channels: int) -> Image.Image:
        """Draw image `index`; in colour all channels are equal."""
        from PIL import Image

        from gmssl.parts.data.phantom_drawing import draw_phantom

        record = self.records[index]
        image = Image.fromarray(draw_phantom(self.seed, index, self.size, str(record.modality), str(record.label)))
        return image if channels == 1 else image.convert("RGB")


def _record(index: int) -> Record:
    pattern, modality = PATTERNS[index % len(PATTERNS)], MODALITIES[index // len(PATTERNS) % len(MODALITIES)]
    return Record(f"phantom {index}", label=pattern, dataset="phantoms", modality=modality)
