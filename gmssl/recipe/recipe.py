"""A recipe describes a whole run as plain YAML; unknown keys are refused, and nothing is inherited or interpolated."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from gmssl.errors import RecipeError
from gmssl.interfaces.data import Data
from gmssl.interfaces.logger import Logger
from gmssl.interfaces.optimiser import Optimiser, Schedule
from gmssl.interfaces.part import Settings
from gmssl.interfaces.registry import brief, describe, field_of, part
from gmssl.objective.settings import ObjectiveSettings
from gmssl.recipe.checks import faults
from gmssl.recipe.library import Sort, located, near_names
from gmssl.system.files import what_is_wrong
from gmssl.system.yaml_text import UniqueKeys, yaml_fault


class TrainSettings(Settings):
    """How long the run trains, with which batches, and on which devices. `batch` counts images over all devices and
    accumulation steps of one update."""

    epochs: int = Field(100, ge=1)
    batch: int = Field(256, ge=1, description="images in one optimiser step, over all devices and accumulated steps")
    accumulate: int = Field(1, ge=1, description="backward passes in one optimiser step")
    devices: int = Field(1, ge=1, description="GPUs, or processes on CPU, on all nodes together")
    nodes: int = Field(1, ge=1, description="machines; start one process a device with torchrun or SLURM on each")
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    workers: int = Field(2, ge=0, description="loader processes on each device")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient of all weights")
    sync_batch_norm: bool = True
    max_steps: int | None = Field(None, ge=1, description="stop after this many optimiser steps")
    checkpoint_every: int = Field(500, ge=1, description="optimiser steps between writes of last.ckpt")
    keep_every: int | None = Field(None, ge=1, description="epochs between checkpoints that are kept")
    log_every: int = Field(10, ge=1, description="optimiser steps between rows of metrics.csv")
    picture_every: int = Field(1, ge=1, description="epochs between pictures of a matched graph pair")

    @property
    def batch_per_step(self) -> int:
        """Images in one forward pass on one device."""
        return self.batch // (self.devices * self.accumulate)

    @model_validator(mode="after")
    def _batch_divides(self) -> TrainSettings:
        if self.devices % self.nodes:
            raise ValueError(
                f"devices {self.devices} do not divide by nodes {self.nodes}; devices counts those of all nodes, "
                f"use a multiple of {self.nodes}, or change nodes"
            )
        parts = self.devices * self.accumulate
        if self.batch % parts:
            above = (self.batch // parts + 1) * parts
            raise ValueError(
                f"batch {self.batch} does not divide by devices × accumulate = {self.devices} × {self.accumulate}; "
                f"use {f'{above - parts} or ' if above > parts else ''}{above}"
            )
        return self


class ProbeSettings(Settings):
    """Settings of the probe: the k-nearest-neighbour accuracy of the encoder on labelled images, during training."""

    data: field_of(Data)  # type: ignore[valid-type]
    every: int = Field(5, ge=1, description="epochs between probes; the last epoch is always probed")
    neighbours: int = Field(20, ge=1)
    folds: int = Field(5, ge=2)


class Recipe(ObjectiveSettings):
    """A whole run: the objective, and how it is trained."""

    optimiser: field_of(Optimiser)  # type: ignore[valid-type]
    schedule: field_of(Schedule)  # type: ignore[valid-type]
    train: TrainSettings = TrainSettings()
    probe: ProbeSettings | None = None
    loggers: tuple[field_of(Logger), ...] = Field(  # type: ignore[valid-type]
        default_factory=lambda: (part("logger", "tensorboard"),),
        description="where the numbers go besides the tables of the run folder",
    )

    @field_validator("loggers")
    @classmethod
    def _each_logger_once(cls, loggers: tuple[Logger, ...]) -> tuple[Logger, ...]:
        kinds = [logger.kind for logger in loggers]
        twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
        if twice is not None:  # both would write to the same files, and a resumed run could not tell them apart
            raise ValueError(f"{twice} stands twice; remove one")
        return loggers

    @model_validator(mode="after")
    def _views_await_the_encoder(self) -> Recipe:
        """The recipe says so, that its dump means the same; `gmssl.recipe.statistics` looks the numbers up."""
        if self.encoder.begins_pretrained:
            object.__setattr__(self, "views", self.views.awaiting())  # the model is frozen for everybody else
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        for fault in faults(self, self.train.batch_per_step):
            if fault:
                raise ValueError(fault)
        return self

    def dump(self) -> str:
        """The resolved recipe as YAML, with every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def read_recipe(path: str | Path, sort: Sort = "recipe") -> dict[str, Any]:
    """The mapping in a YAML file, unchecked.

    Args:
        path: path of the file or a pipe, which is read once, or the name of a shipped one; a file of that name wins.
        sort: of the file; names in a mapping of variants are theirs, in others those of settings.

    Raises:
        RecipeError: there is no such file, or it is no text, no YAML or no mapping of names.
    """
    path = Path(path)
    try:
        path = located(path, sort)
        folder = path.is_dir()
        found = path.exists() and not folder  # a pipe, such as /dev/stdin, is no file
    except OSError as error:  # a name too long, a folder that may not be entered
        raise RecipeError(f"{path} cannot be opened: {error.strerror}. Give the path of a YAML file.") from None
    if not found:
        where = path if folder else path.parent
        near = sorted(p.name for p in where.glob("*.yaml") if p.is_file()) if where.is_dir() else []
        if not folder:  # the most similar names first
            near = difflib.get_close_matches(path.name, near, n=len(near) or 1, cutoff=0)
        one, many = ("corpus", "corpora") if sort == "corpus" else ("recipe", "recipes")
        known = f"; {many} there: {_some(near)}" if near else ""
        names = ", ".join(near_names(path, sort))
        known += f"; shipped with gmssl: {names}" if names else ""
        what = f"{path} is a folder, no {one}" if folder else f"no {one} at {path}"
        raise RecipeError(f"{what}{known}. Give the path of a YAML file, or a name that `gmssl recipes list` prints.")
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"{path} cannot be read as text: {what_is_wrong(error)}. Give a YAML file in UTF-8."
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is no valid YAML: {yaml_fault(error)}; correct it there.") from None
    if not isinstance(loaded, dict):
        raise RecipeError(f"{path} holds no mapping of names to values; start from a file in recipes/.")
    of = "variants" if sort == "variants" else "settings"
    for name in loaded:
        if not isinstance(name, str):  # YAML reads `1:` as a number, and `on:` as true
            raise RecipeError(
                f"{path}: names of {of} are texts, and {brief(name)} is read as {type(name).__name__}; put it in "
                "quotes, or give another name."
            )
    return loaded


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def load_recipe(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Load and check a recipe within a second; no image is opened and no weight is built.

    Args:
        source: path of a YAML file, the name of a shipped recipe, or a mapping.
        overrides: `"a.b=value"` strings as `--set` takes them; values are YAML, list places are numbers.

    Raises:
        RecipeError: every fault in one message, each with its place, what exists, and the remedy.
    """
    name = "recipe" if isinstance(source, Mapping) else str(source)
    try:
        settings = copy.deepcopy(dict(source)) if isinstance(source, Mapping) else read_recipe(source)
        for override in overrides:
            apply_override(settings, override)
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise RecipeError(f"{name}:\n{describe(error)}") from None
    except RecursionError:
        raise RecipeError(f"{name} is nested too deeply; flatten it.") from None


def apply_override(settings: dict[str, Any], override: str) -> None:
    """Change one setting in place, as `--set PATH=VALUE` asks.

    Raises:
        RecipeError: `override` is not of that form, its value is no YAML, or its path leads nowhere.
    """
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(f"--set {override!r} is not of the form path=value, as in train.epochs=3; correct it.")
    try:
        value = yaml.load(text, Loader=UniqueKeys)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise RecipeError(f"--set {override!r}: the value is no valid YAML; correct or quote it.") from None
    place: Any = settings
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        where = ".".join(keys[: depth + 1])
        if isinstance(place, list):
            if not key.isdecimal() or len(key) > 9 or int(key) >= len(place):
                remedy = f"use 0..{len(place) - 1}" if place else "set the list itself"
                raise RecipeError(f"--set {override!r}: {where} is no place in a list of {len(place)}; {remedy}.")
            if last:
                place[int(key)] = value
            else:
                place[int(key)] = place = _opened(place[int(key)])
        elif isinstance(place, dict):
            if last:
                place[key] = value
            else:
                place[key] = place = _opened(place.get(key))
        else:
            above = ".".join(keys[:depth])
            raise RecipeError(f"--set {override!r}: {above} is the single value {brief(place)}; set {above} itself.")


def _opened(value: Any) -> Any:
    """A part given by its name, or nothing at all, becomes a mapping that settings can be written to."""
    if value is None:
        return {}
    return {"kind": value} if isinstance(value, str) else value
