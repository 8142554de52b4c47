"""Tasks are what a pre-trained encoder is worth: what is learnt on top of it, and how predictions are scored.

A task never asks which network the encoder is, and knows nothing of folds, seeds, training loops or files of results.
It turns cases into examples, puts a network on top of a backbone, and turns predictions into one row of numbers for
each case. **Every score is a function of rows** (`Opened.summarise`), so that sites, seeds, leaks and intervals are
choices of rows and need no further work of a task.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

from gmssl.interfaces.cases import Case
from gmssl.interfaces.part import Part
from gmssl.lazy import torch

Value: TypeAlias = "float | int | str | list[Value] | dict[str, Value] | None"
"""What JSON can hold."""

Row: TypeAlias = dict[str, Value]
"""What is known of one predicted case: `case` (its name), and whatever `summarise` needs."""

Scores: TypeAlias = dict[str, float | None]
"""Metric → value; None where it has no meaning for these cases (no image of a class, an empty mask)."""

Resampled: TypeAlias = Callable[[Sequence[int]], Scores]
"""Indices of rows, some of them several times → the scores of these rows."""


class Backbone(Protocol):
    """An encoder as tasks see it; it is a `torch.nn.Module`.

    A frozen backbone has no gradients and stays in evaluation mode whatever the network around it is told.

    Attributes:
        in_channels: K, 1 or 3.
        mean, std: K numbers each, of pixels in [0, 1]; images are normalised by them before they are given to it.
        width: C', the length of pooled features.
        channels: channels of the levels of the pyramid, from fine to coarse; empty if the encoder has none.
        strides: pixels that a cell of each level spans; all equal for a plain transformer.
    """

    in_channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    width: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, images: torch.Tensor, /) -> torch.Tensor:
        """Pooled features `[B,C']` of normalised images `[B,K,H,W]`."""
        ...

    def pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Maps `[B,C_l,ceil(H/s_l),ceil(W/s_l)]` of all levels, from fine to coarse."""
        ...

    def layers(self) -> list[list[torch.nn.Parameter]]:
        """Its weights in groups from input to output, for learning rates by layer; each weight in one of them."""
        ...


class TrainingExamples(Protocol):
    """What is learnt from; it can be pickled.

    Everything random in it is drawn from (seed, epoch, index), so that workers, interruptions and the order of reading
    change nothing.
    """

    def epoch(self, number: int) -> Sequence[int]:
        """Indices of the examples of an epoch, in the order in which they are learnt from."""
        ...

    def __getitem__(self, at: tuple[int, int], /) -> Any:
        """The example of (epoch, index), on the CPU; `Opened.collate` makes batches of them."""
        ...


class ExamplesToPredict(Protocol):
    """What is predicted, without anything random, in the order of the cases; a case may be several (its slices)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any:
        """An example on the CPU; it names its case."""
        ...


class TaskNetwork(Protocol):
    """A backbone with what is trained on top of it; it is a `torch.nn.Module` and normalises its images itself."""

    backbone: Backbone | None

    def loss(self, batch: Any) -> torch.Tensor:
        """The training loss, a float32 scalar."""
        ...

    def predict(self, batch: Any) -> Any:
        """What `Scoring.add` takes, without gradients, in evaluation mode."""
        ...


class Scoring(Protocol):
    """Turns the predictions of some cases into rows. Batches come in the order of the examples."""

    def add(self, batch: Any, predicted: Any) -> None:
        """Take the predictions of a batch; a case is scored when its last example was seen."""
        ...

    def rows(self) -> list[Row]:
        """A row for each case, in their order."""
        ...

    def write(self, folder: Path) -> list[Path]:
        """Write pictures of prediction and truth, and predictions as files in their own form (NIfTI for volumes).

        Only of a scoring that was made with `keep`. Files are named after the cases.
        """
        ...


class Opened(Protocol):
    """A task whose cases have been read and checked; examples are given by indices into these."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that are scored."""
        ...

    @property
    def metric(self) -> str:
        """The score that chooses the best epoch on the validation cases."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """Whether more of that score is better."""
        ...

    @property
    def facts(self) -> Mapping[str, Value]:
        """What users should know of the cases (counts of classes, empty masks, cases left out), for results."""
        ...

    def training(self, indices: Sequence[int], seed: int) -> TrainingExamples:
        """Examples of the cases to learn from."""
        ...

    def testing(self, indices: Sequence[int]) -> ExamplesToPredict:
        """Examples of the cases to predict."""
        ...

    def collate(self, examples: Sequence[Any]) -> Any:
        """A batch: tensors, and lists, tuples and mappings of them, which are moved to the device."""
        ...

    def network(self, backbone: Backbone | None) -> TaskNetwork:
        """Build what is trained; new weights are drawn from torch's global generator, which the caller seeds.

        Args:
            backbone: the encoder; None for the task's own (`--encoder own`).

        Raises:
            RecipeError: the task needs a backbone, or needs none, or one with a pyramid.
        """
        ...

    def scoring(self, indices: Sequence[int], keep: bool = False, only_main: bool = False) -> Scoring:
        """Score predictions of these cases.

        Args:
            indices: of the cases.
            keep: hold predictions in memory, to be written as pictures and files.
            only_main: no score but `metric` is asked for, as by validation; what is dear of the others may be left out.
        """
        ...

    def summarise(self, rows: Sequence[Row]) -> Scores:
        """Scores of any choice of rows, in the order in which a table shows them.

        Shares stand in [0, 1]; names of others end with their unit (`hd95_mm`). Scores of one class are named after it
        (`dice.tumour`), and tables leave them to the JSON.
        """
        ...


class Task(Part):
    """Settings of what is learnt on top of an encoder."""

    slot: ClassVar[str] = "task"

    learns_labels: ClassVar[bool] = False
    """Whether the labels of cases are what is learnt, so that each of them must be learnt and scored."""

    extra: ClassVar[str | None] = None
    """The extra of gmssl that its libraries come with (`seg`, `med`, `det`, `sam`); None if it needs none."""

    @property
    @abstractmethod
    def image_size(self) -> int:
        """Side of the square images that the backbone sees, in pixels."""

    def summarise(self, rows: Sequence[Row], classes: Sequence[str]) -> Scores | None:
        """The scores of `Opened.summarise` where the cases are not at hand, for comparing results later.

        Args:
            rows: of earlier predictions.
            classes: `Opened.classes` of then.

        Returns:
            None where scores cannot be told from rows without the cases.
        """
        return None

    def resampled(self, rows: Sequence[Row], classes: Sequence[str], metric: str | None = None) -> Resampled | None:
        """The scores of choices of these rows, as a bootstrap draws them thousands of times.

        A task overrides it to compute once what does not depend on the choice.

        Args:
            rows: of earlier predictions.
            classes: `Opened.classes` of then.
            metric: the only score that is looked at; None for all.

        Returns:
            what `summarise` has for them; None where `summarise` is to be asked each time.
        """
        return None

    @abstractmethod
    def open(self, cases: Sequence[Case], channels: int) -> Opened:
        """Read and check the annotation of all cases before anything is trained.

        Args:
            cases: all cases of the benchmark, of training and of tests.
            channels: K of the images that examples hold, 1 or 3.

        Raises:
            DataError: a case without annotation, an annotation of another size or grid, values outside the classes,
                boxes outside the image, a library that is missing; the message names the file, how many more there
                are, and the remedy.
        """


def told(faults: Iterable[str], remedy: str, most: int = 3) -> str:
    """One message of many faults: the first ones, how many more there are, and what to do."""
    every = list(faults)
    more = f"; {len(every) - most} more" if len(every) > most else ""
    return f"{'; '.join(every[:most])}{more}. {remedy}"
