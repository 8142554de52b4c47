"""An opened classification: examples, head, and rows of probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict
from weakref import WeakKeyDictionary

import torch
from torch import nn

from gmssl.errors import RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Backbone, Row, Scores, Value
from gmssl.parts.tasks.classification.examples import Example, Pixels, Testing, Training
from gmssl.parts.tasks.classification.scores import summary

if TYPE_CHECKING:
    from gmssl.parts.tasks.classification.settings import ClassificationSettings

Memory = dict[int, torch.Tensor]
"""Pooled features of the plain images of cases."""


class Batch(TypedDict):
    """Images `[B,K,S,S]` uint8, numbers of cases `[B]`, classes `[B]`, and whether images never change."""

    images: torch.Tensor
    cases: list[int]
    labels: torch.Tensor
    plain: bool


class Classified:
    """Cases with a class each; see `gmssl.interfaces.task.Opened`."""

    higher_is_better = True

    def __init__(
        self,
        task: ClassificationSettings,
        cases: tuple[Case, ...],
        channels: int,
        classes: tuple[str, ...],
        counts: Mapping[str, int],
    ) -> None:
        self._task, self._cases = task, cases
        self.classes = classes
        self.metric: str = task.metric
        self.facts: Mapping[str, Value] = {"classes": dict(counts)}
        self._labels = [classes.index(str(case.label)) for case in cases]
        self._pixels = Pixels(cases, channels, task.size)
        # Features of a frozen encoder are those of all folds and seeds; they go when the encoder does.
        self._memories: WeakKeyDictionary[Any, Memory] = WeakKeyDictionary()

    def training(self, indices: Sequence[int], seed: int) -> Training:
        """Examples to learn from."""
        return Training(self._pixels, self._labels, indices, self._task.augmentation, seed)

    def testing(self, indices: Sequence[int]) -> Testing:
        """Whole images."""
        return Testing(self._pixels, self._labels, indices)

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Stack images and classes."""
        return {
            "images": torch.stack([example.image for example in examples]),
            "cases": [example.case for example in examples],
            "labels": torch.tensor([example.label for example in examples], device="cpu"),
            "plain": all(example.plain for example in examples),
        }

    def network(self, backbone: Backbone | None) -> Classifier:
        """The encoder with a head.

        Raises:
            RecipeError: there is no encoder.
        """
        if backbone is None:
            raise RecipeError("the task classification has no network of its own; give an encoder instead of `own`.")
        weights = None
        if self._task.balanced_loss:
            counts = torch.bincount(torch.tensor(self._labels, device="cpu"), minlength=len(self.classes)).clip(min=1)
            weights = len(self._labels) / (len(self.classes) * counts.float())
        return Classifier(self._task, backbone, len(self.classes), weights, self._memories.setdefault(backbone, {}))

    def scoring(self, indices: Sequence[int], keep: bool = False, only_main: bool = False) -> Predicted:
        """A row of probabilities for each case."""
        return Predicted([self._cases[i] for i in indices], self._pixels, list(indices), self.classes, keep)

    def summarise(self, rows: Sequence[Row]) -> Scores:
        """Scores of any choice of rows."""
        return summary(rows, len(self.classes), self._task.grades)


class Classifier(nn.Module):
    """An encoder with a head on its pooled features."""

    mean: torch.Tensor
    std: torch.Tensor
    weights: torch.Tensor | None

    def __init__(
        self,
        task: ClassificationSettings,
        backbone: Backbone,
        classes: int,
        weights: torch.Tensor | None,
        memory: Memory,
    ) -> None:
        super().__init__()
        self.backbone: Any = backbone
        layers: list[nn.Module] = [nn.BatchNorm1d(backbone.width, affine=False)] if task.standardise else []
        width = backbone.width
        for hidden in task.hidden:
            layers += [nn.Dropout(task.dropout), nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        self.head = nn.Sequential(*layers, nn.Dropout(task.dropout), nn.Linear(width, classes))
        self._memory = memory
        shape = (1, -1, 1, 1)
        self.register_buffer("mean", torch.tensor(backbone.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(backbone.std).view(shape), persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy, a scalar."""
        logits = self.head(self._features(batch)).float()
        return nn.functional.cross_entropy(logits, batch["labels"].to(logits.device), weight=self.weights)

    def predict(self, batch: Batch) -> torch.Tensor:
        """Probabilities `[B,C]`, on the CPU."""
        return self.head(self._features(batch)).float().softmax(1).cpu()

    def _features(self, batch: Batch) -> torch.Tensor:
        images = batch["images"]
        if not (getattr(self.backbone, "frozen", False) and batch["plain"]):
            return self._encoded(images)
        new = [place for place, case in enumerate(batch["cases"]) if case not in self._memory]
        if new:
            with torch.no_grad():
                found = self._encoded(images[new])
            self._memory.update({batch["cases"][place]: row for place, row in zip(new, found.cpu(), strict=True)})
        return torch.stack([self._memory[case] for case in batch["cases"]]).to(images.device)

    def _encoded(self, images: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.backbone((images.float() / 255 - self.mean) / self.std)
        return pooled


class Predicted:
    """Rows of probabilities."""

    def __init__(
        self, cases: Sequence[Case], pixels: Pixels, indices: Sequence[int], classes: Sequence[str], keep: bool
    ) -> None:
        self._cases, self._pixels, self._indices = cases, pixels, indices
        self._classes, self._keep = classes, keep
        self._rows: list[Row] = []

    def add(self, batch: Batch, predicted: torch.Tensor) -> None:
        """Take the probabilities of a batch."""
        for label, probabilities in zip(batch["labels"].tolist(), predicted, strict=True):
            case = self._cases[len(self._rows)]
            # Nine digits hold every float32; more would be noise in the files.
            given: list[Value] = [float(f"{value:.9g}") for value in probabilities.tolist()]
            self._rows.append({"case": case.name, "truth": label, "probabilities": given})

    def rows(self) -> list[Row]:
        """A row for each case."""
        return self._rows

    def write(self, folder: Path) -> list[Path]:
        """Draw the images with truth and prediction."""
        from gmssl.parts.tasks.classification.pictures import draw

        assert self._keep
        return [
            draw(self._pixels.read(index), row, self._classes, folder)
            for index, row in zip(self._indices, self._rows, strict=True)
        ]
