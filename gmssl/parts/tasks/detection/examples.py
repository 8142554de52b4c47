"""Examples to learn from and to predict, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from gmssl.lazy import numpy, torch
from gmssl.parts.tasks.detection.checking import Truth
from gmssl.parts.tasks.detection.geometry import Frame, whole
from gmssl.parts.tasks.images import case_image

if TYPE_CHECKING:
    from numpy.random import Generator


class Example(TypedDict):
    """An image on the network's grid.

    `image` is uint8 `[K,h,w]`; `boxes` float32 `[n,4]` on its grid and `labels` int64 `[n]`, counted from 1, without
    crowd regions; `case` is its place among the cases.
    """

    image: torch.Tensor
    boxes: torch.Tensor
    labels: torch.Tensor
    case: int


class Batch(TypedDict):
    """Examples side by side.

    `images` is uint8 `[B,K,S,S]`, of which the upper left `shapes` `[B,2]` (height, width) is the image and the rest 0;
    `boxes` and `labels` are as in `Example`; `cases` is int64 `[B]`.
    """

    images: torch.Tensor
    shapes: torch.Tensor
    boxes: list[torch.Tensor]
    labels: list[torch.Tensor]
    cases: torch.Tensor


@dataclass(frozen=True)
class Pictures:
    """Images of cases with their truths, by place among the cases; it can be pickled."""

    files: tuple[Path, ...]
    truths: tuple[Truth, ...]
    channels: int
    size: int
    stretched: bool

    def frame(self, case: int) -> Frame:
        """How the whole image of a case gets to the grid."""
        return whole(self.truths[case].size, self.size, self.stretched)

    def example(self, case: int, frame: Frame) -> Example:
        """What a frame shows of a case."""
        truth = self.truths[case]
        seen = frame.image(case_image(self.files[case], self.channels))
        pixels = torch.from_numpy(numpy.array(seen)).view(seen.height, seen.width, -1).permute(2, 0, 1)
        boxes, kept = frame.boxes(torch.tensor(truth.corners, dtype=torch.float64, device="cpu").view(-1, 4))
        learnt = kept & ~torch.tensor(truth.crowd, dtype=torch.bool, device="cpu")
        labels = torch.tensor(truth.labels, dtype=torch.int64, device="cpu") + 1
        return Example(image=pixels.contiguous(), boxes=boxes[learnt], labels=labels[learnt], case=case)


@dataclass(frozen=True)
class Augmentation:
    """What is drawn anew in each epoch.

    Attributes:
        flips: whether images are mirrored along x and along y, each with probability ½.
        zoom: the sides of the part that is seen are these shares of the image's at least, drawn uniformly up to 1.
        light: largest relative change of contrast and of brightness, drawn uniformly on both sides.
    """

    flips: tuple[bool, bool]
    zoom: float
    light: float

    def frame(self, at: Frame, generator: Generator) -> Frame:
        """A part of the image, mirrored or not."""
        drawn = generator.random(5)
        width, height = at.part[2], at.part[3]
        side = self.zoom + (1 - self.zoom) * float(drawn[0])
        left, upper = (1 - side) * width * float(drawn[1]), (1 - side) * height * float(drawn[2])
        right, lower = min(left + side * width, width), min(upper + side * height, height)
        mirrored = (self.flips[0] and bool(drawn[3] < 0.5), self.flips[1] and bool(drawn[4] < 0.5))
        return replace(at, part=(left, upper, right, lower), mirrored=mirrored)

    def lit(self, image: torch.Tensor, generator: Generator) -> torch.Tensor:
        """The image `[K,h,w]` in another light."""
        if not self.light:
            return image
        contrast, brightness = 1 + self.light * (2 * generator.random(2) - 1)
        values = image.float()
        mean = values.mean()
        changed = ((values - mean) * float(contrast) + mean) * float(brightness)
        return changed.round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Training:
    """Examples to learn from; see `gmssl.interfaces.task.TrainingExamples`."""

    pictures: Pictures
    cases: tuple[int, ...]
    seed: int
    augmentation: Augmentation

    def epoch(self, number: int) -> Sequence[int]:
        """Each case once, in an order of its own."""
        return [int(at) for at in self._generator(number, 0).permutation(len(self.cases))]

    def __getitem__(self, at: tuple[int, int]) -> Example:
        """The example of (epoch, index)."""
        epoch, index = at
        generator, case = self._generator(epoch, index + 1), self.cases[index]
        example = self.pictures.example(case, self.augmentation.frame(self.pictures.frame(case), generator))
        example["image"] = self.augmentation.lit(example["image"], generator)
        return example

    def _generator(self, epoch: int, stream: int) -> Generator:
        return numpy.random.default_rng([self.seed, epoch, stream])


@dataclass(frozen=True)
class Testing:
    """Examples to predict; see `gmssl.interfaces.task.TestExamples`."""

    pictures: Pictures
    cases: tuple[int, ...]

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.cases)

    def __getitem__(self, index: int) -> Example:
        """The whole image."""
        case = self.cases[index]
        return self.pictures.example(case, self.pictures.frame(case))


def collate(examples: Sequence[Example], size: int) -> Batch:
    """Examples of any shapes up to `size` in a batch of squares."""
    images = examples[0]["image"].new_zeros(len(examples), examples[0]["image"].shape[0], size, size)
    for place, example in zip(images, examples, strict=True):
        place[:, : example["image"].shape[1], : example["image"].shape[2]] = example["image"]
    return Batch(
        images=images,
        shapes=torch.tensor([example["image"].shape[1:] for example in examples], device="cpu"),
        boxes=[example["boxes"] for example in examples],
        labels=[example["labels"] for example in examples],
        cases=torch.tensor([example["case"] for example in examples], device="cpu"),
    )
