"""A benchmark describes as plain YAML on which cases, with which split, task and training encoders are judged."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from gmssl.errors import RecipeError
from gmssl.interfaces.cases import Cases
from gmssl.interfaces.encoder import Encoder
from gmssl.interfaces.optimiser import Optimiser, Schedule
from gmssl.interfaces.part import Settings
from gmssl.interfaces.registry import describe, field_of, part
from gmssl.interfaces.task import Task
from gmssl.recipe.recipe import apply_override, read_recipe

Conditions: TypeAlias = dict[str, str | tuple[str, ...]]
"""Fact of a case → the value that it must have, or a list of such values."""


class Split(Settings):
    """Which cases are learnt from and which are scored; exactly one of `test`, `folds` and `leave_out`.

    Patients are never divided. Cross-validation, and a `test` that is a share, are over pixel-different images among
    those that `train` chooses.
    """

    train: Conditions = Field({}, description="facts of the cases to learn from; default: all that are no test cases")
    test: float | Conditions | None = Field(
        None,
        description="facts of the cases that are scored, or a share of the patients of each label, drawn by `seed` and "
        "the same in all repetitions",
    )
    folds: int | None = Field(None, ge=2, description="cross-validate in so many folds, stratified by label")
    leave_out: str | None = Field(None, description="cross-validate, leaving out one value of this fact, or `patient`")
    validation: float | Conditions = Field(
        0.2, description="share of the patients of the training cases, by seed, or facts, that choose the best epoch"
    )
    labels: float = Field(1.0, gt=0, le=1, description="share of the patients, by seed, that are learnt from at all")
    site: str | None = Field(None, description="fact by which scores are reported apart, such as a hospital")
    seed: int = Field(0, ge=0, description="seed of the folds, and of a share to test")

    @model_validator(mode="after")
    def _one_way_is_chosen(self) -> Split:
        chosen = [name for name in ("test", "folds", "leave_out") if getattr(self, name) is not None]
        if len(chosen) != 1:
            raise ValueError(f"{' and '.join(chosen) or 'none'} given; give exactly one of test, folds, leave_out")
        return self

    @field_validator("validation", "test")
    @classmethod
    def _a_share_is_below_one(cls, share: float | Conditions | None, info: ValidationInfo) -> float | Conditions | None:
        if isinstance(share, float):
            none = ", or 0 for none" if info.field_name == "validation" else ""
            if not 0 <= share < 1:
                raise ValueError(f"{share} is no share below 1; use for example 0.2{none}")
            if share == 0 and not none:
                raise ValueError("a share of 0 leaves nothing to score; use for example 0.2")
        return share


class Training(Settings):
    """How the network on top of the encoder is trained."""

    epochs: int = Field(20, ge=1)
    batch: int = Field(16, ge=1)
    optimiser: field_of(Optimiser) = Field(default_factory=lambda: part("optimiser", "adam", learning_rate=1e-3))  # type: ignore[valid-type]
    schedule: field_of(Schedule) = Field(default_factory=lambda: part("schedule", "constant"))  # type: ignore[valid-type]
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient of all weights")
    frozen: bool = Field(False, description="leave the encoder as it is; otherwise it is trained, too")
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="factor on the learning rate for each layer further from the output"
    )
    precision: Literal["float32", "bfloat16"] = "float32"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    workers: int = Field(0, ge=0, description="loader processes")
    keep: Literal["best", "last"] = Field("best", description="which epoch is tested: best on validation, or the last")

    def settled(self) -> dict[str, Any]:
        """What decides what a training finds: without what only concerns the machine."""
        return self.model_dump(mode="json", exclude={"workers", "accelerator"})

    @model_validator(mode="after")
    def _frozen_layers_have_no_rates(self) -> Training:
        if self.frozen and self.layer_decay is not None:
            raise ValueError("layer_decay is for encoders that train; remove it, or set frozen: false")
        return self


class Published(Settings):
    """Rows of the paper's tables to print beside; see `gmssl.downstream.published`."""

    table: str
    data: str
    metric: str
    ours: str | None = Field(None, description="the score of the task that is compared; default: its main one")


class Benchmark(Settings):
    """One table: cases, split, task, training, seeds, and the encoders that every table has."""

    name: str | None = Field(
        None, pattern=r"^[\w.-]+$", description="what reports call it; default: the name of the file"
    )
    cases: field_of(Cases)  # type: ignore[valid-type]
    split: Split
    task: field_of(Task)  # type: ignore[valid-type]
    training: Training = Training()
    encoder: field_of(Encoder) | None = Field(  # type: ignore[valid-type]
        None, description="what the encoder `random` is, and files of weights that do not say"
    )
    encoders: tuple[str, ...] = Field((), description="encoders that are judged beside those that are asked for")
    seeds: tuple[int, ...] = (0, 1, 2)
    published: tuple[Published, ...] = ()
    protocol: Literal["corrected", "as_released"] = "corrected"
    bootstrap: int = Field(1000, ge=0, description="samples of patients for the intervals; 0 for none")
    pictures: bool = Field(True, description="draw the cases that each fit predicted worst, at the median and best")
    obtain: str | None = Field(None, description="how to get the data, told where it is not there")

    @field_validator("seeds")
    @classmethod
    def _seeds_are_different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError(f"{list(seeds)} are no seeds; give different numbers from 0, at least one")
        return seeds

    def dump(self) -> str:
        """The benchmark as YAML, with every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def load_benchmark(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Benchmark:
    """Load and check a benchmark; no case is listed yet.

    Args:
        source: path of a YAML file, the name of a shipped one, or a mapping.
        overrides: `"a.b=value"` strings as `--set` takes them.

    Raises:
        RecipeError: every fault in one message, each with its place, what exists, and the remedy.
    """
    name = "benchmark" if isinstance(source, Mapping) else str(source)
    try:
        settings = copy.deepcopy(dict(source)) if isinstance(source, Mapping) else read_recipe(source, "downstream")
        for override in overrides:
            apply_override(settings, override)
        return Benchmark.model_validate(settings)
    except ValidationError as error:
        raise RecipeError(f"{name}:\n{describe(error)}") from None
