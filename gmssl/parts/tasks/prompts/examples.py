"""Images with boxes: those that are learnt from and those that are predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from gmssl.interfaces.cases import Case
from gmssl.lazy import numpy, torch
from gmssl.parts.tasks.images import case_image
from gmssl.parts.tasks.masks.fitting import Fit, Fitted
from gmssl.parts.tasks.masks.reading import label_map
from gmssl.parts.tasks.prompts.boxes import Box, By, for_tests, grown, regions, sampled, tight
from gmssl.parts.tasks.prompts.settings import PromptSettings


@dataclass(frozen=True)
class Prompt:
    """What one box is for.

    Attributes:
        label: number of the class, from 1.
        region: which of the regions of this class.
        box: the tight box, on the network's grid.
    """

    label: int
    region: int
    box: Box


class Example(TypedDict, total=False):
    """An image with its boxes; see `gmssl.parts.tasks.prompts.network.Batch`."""

    case: int
    image: Any
    boxes: Any
    target: Any


def prompts_of(labels: numpy.ndarray, classes: int, by: By, place: Fitted) -> list[Prompt]:
    """All prompts of a label map `[h,w]`, class by class."""
    return [
        Prompt(label, number, tight(region, place))
        for label in range(1, classes + 1)
        for number, region in enumerate(regions(labels == label, by))
    ]


def image_of(case: Case, channels: int, side: int, fit: Fit) -> torch.Tensor:
    """The image of a case as uint8 `[K,side,side]`."""
    image = case_image(case.image, channels)
    pixels = numpy.array(Fitted.of((image.height, image.width), side, fit).image(image))
    return torch.from_numpy(pixels.reshape(side, side, channels)).permute(2, 0, 1).contiguous()


@dataclass(frozen=True)
class PromptedTraining:
    """Some prompts of each image, drawn anew in each epoch, with boxes that noise has grown.

    Attributes:
        settings: of the task.
        cases: (number, case, its prompts), each with one at least.
        channels: of the images.
        mask_side: of the targets.
        seed: of all that is random.
    """

    settings: PromptSettings
    cases: Sequence[tuple[int, Case, Sequence[Prompt]]]
    channels: int
    mask_side: int
    seed: int

    def epoch(self, number: int) -> Sequence[int]:
        """All images, in an order of the epoch's own."""
        return [int(i) for i in numpy.random.default_rng([self.seed, number]).permutation(len(self.cases))]

    def __getitem__(self, at: tuple[int, int]) -> Example:
        """The example of (epoch, index)."""
        epoch, index = at
        number, case, prompts = self.cases[index]
        generator = numpy.random.default_rng([self.seed, epoch, index])
        order = generator.permutation(len(prompts)).tolist()
        chosen = [prompts[order[place % len(order)]] for place in range(self.settings.prompts)]
        side, jitter = self.settings.size, self.settings.jitter
        boxes = [grown(prompt.box, side, jitter, generator) for prompt in chosen]
        return Example(
            case=number,
            image=image_of(case, self.channels, side, self.settings.fit),
            boxes=torch.tensor(boxes, dtype=torch.float32, device="cpu"),
            target=torch.from_numpy(self._targets(case, chosen)),
        )

    def _targets(self, case: Case, chosen: Sequence[Prompt]) -> numpy.ndarray:
        labels = label_map(case, self.settings.classes, self.settings.threshold)
        found = {label: regions(labels == label, self.settings.boxes) for label in {p.label for p in chosen}}
        height, width = labels.shape
        place = Fitted.of((height, width), self.settings.size, self.settings.fit)
        masks = [sampled(found[prompt.label][prompt.region], place, self.mask_side) for prompt in chosen]
        return numpy.stack(masks).astype(numpy.uint8)


@dataclass(frozen=True)
class PromptedTest:
    """Each image with all of its boxes; their noise belongs to the case."""

    __test__: ClassVar[bool] = False

    settings: PromptSettings
    cases: Sequence[tuple[int, Case, Sequence[Prompt]]]
    channels: int

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Example:
        number, case, prompts = self.cases[index]
        side = self.settings.size
        boxes = for_tests([prompt.box for prompt in prompts], case.name, side, self.settings.jitter)
        return Example(
            case=number,
            image=image_of(case, self.channels, side, self.settings.fit),
            boxes=torch.tensor(boxes, dtype=torch.float32, device="cpu").reshape(-1, 4),
        )


def together(examples: Sequence[Example]) -> dict[str, Any]:
    """A batch; boxes stay apart where the images have different numbers of them."""
    batch: dict[str, Any] = {
        "case": torch.tensor([example["case"] for example in examples], device="cpu"),
        "image": torch.stack([example["image"] for example in examples]),
        "boxes": [example["boxes"] for example in examples],
    }
    if "target" in examples[0]:
        batch["boxes"] = torch.stack(batch["boxes"])
        batch["target"] = torch.stack([example["target"] for example in examples])
    return batch
