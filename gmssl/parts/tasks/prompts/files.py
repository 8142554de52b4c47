"""Weights of SAM from files and from the Hugging Face hub: read without running code, and told when they do not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmssl.errors import RecipeError
from gmssl.lazy import torch
from gmssl.system.workers import of_the_machine

CONFIGURATION = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")

_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_SHOWN = 3

TO_GET_ONE = (
    "Give a folder with config.json and model.safetensors (`git clone https://huggingface.co/facebook/sam-vit-base`), "
    "a checkpoint of SAM's authors (sam_vit_b_01ec64.pth), a name on the Hugging Face hub (facebook/sam-vit-base) "
    "while online, or `tiny` for a small random network."
)


@dataclass(frozen=True)
class Loaded:
    """Where weights came from.

    Attributes:
        source: the file.
        tensors: how many were loaded.
        prefix: what stood before every name and was removed.
        left_over: names of tensors that were not loaded, modules beside the network.
        adapted: names of tensors that were resampled for another image size.
    """

    source: str
    tensors: int
    prefix: str = ""
    left_over: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = f"{self.tensors} tensors of {self.source}"
        words += f", prefix {self.prefix!r} removed" if self.prefix else ""
        words += f"; made to fit: {some(self.adapted)}" if self.adapted else ""
        return words + (f"; left over: {some(self.left_over)}" if self.left_over else "")


def some(names: Collection[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(list(names)[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def places(model: str) -> tuple[Path | None, Path]:
    """The files of configuration and weights of a model; None for a checkpoint, whose weights tell its configuration.

    Raises:
        RecipeError: there are no such files, or the hub cannot be reached.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return None, path
    if path.is_dir():
        weights = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
        if weights is None or not (path / CONFIGURATION).is_file():
            missing = CONFIGURATION if weights is not None else " or ".join(WEIGHTS)
            raise RecipeError(f"task.model: the folder {path} holds no {missing}. {TO_GET_ONE}")
        return path / CONFIGURATION, weights
    if not _HUB.fullmatch(model) or path.suffix in (".pth", ".pt", ".bin", ".safetensors"):
        raise RecipeError(f"task.model: there is no file and no folder {path}. {TO_GET_ONE}")
    return _from_hub(model)


def _from_hub(model: str) -> tuple[Path, Path]:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model, CONFIGURATION)), Path(hf_hub_download(model, WEIGHTS[0]))
    except Exception as error:  # a network fails in many ways
        if of_the_machine(error):
            raise
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise RecipeError(
            f"task.model: {model} is neither a file nor a folder, and could not be loaded from the Hugging Face hub: "
            f"{type(error).__name__}: {reason}. {TO_GET_ONE}"
        ) from None


def read_configuration(path: Path) -> dict[str, Any]:
    """The configuration of a model of transformers, as its file holds it.

    Raises:
        RecipeError: it cannot be read, or is of another model than SAM.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kind = found["model_type"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RecipeError(f"task.model: {path} is no configuration of transformers ({error!r}). {TO_GET_ONE}") from None
    if kind != "sam":
        raise RecipeError(f"task.model: {path} is the configuration of a {kind!r}, not of a 'sam'. {TO_GET_ONE}")
    return dict(found)


def read_tensors(path: Path, setting: str) -> dict[str, torch.Tensor]:
    """The tensors of a file, on the CPU. Pickled files may hold tensors and plain values only, so no code runs.

    Args:
        path: a file of safetensors or of torch.
        setting: what names the file, for messages.

    Raises:
        RecipeError: it cannot be read, is damaged, or holds no tensors by names.
    """
    remedy = "Download it again, or give another file."
    if not path.is_file():
        raise RecipeError(f"{setting}: there is no file {path}. Give an existing file, or remove the key.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle, safetensors and torch each have their own ways to reject damaged bytes
        if of_the_machine(error):
            raise
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise RecipeError(
            f"{setting}: {path} is damaged, or holds more than tensors and plain values, and reading that could run "
            f"code ({type(error).__name__}: {reason}). {remedy}"
        ) from None
    weights = _named(found)
    if not weights:
        raise RecipeError(f"{setting}: {path} holds no tensor under a name. {remedy}")
    return weights


def _named(found: object) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, which may lie in a dictionary of a dictionary."""
    if not isinstance(found, dict):
        return {}
    for name in ("state_dict", "model", "teacher", "student"):
        if inner := _named(found.get(name)):
            return inner
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}


def misfit(weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> str | None:
    """What does not fit between a file and a network, with counts and examples; None if all of it does."""
    faults = (
        ([name for name in expected if name not in weights], "of the network's tensors are missing"),
        ([name for name in weights if name not in expected], "are unexpected"),
        (
            [
                f"{name} (the file has {_size(weights[name])}, the network {_size(value)})"
                for name, value in expected.items()
                if name in weights and weights[name].shape != value.shape
            ],
            "have another shape",
        ),
    )
    told = [f"{len(names)} {words}: {some(names)}" for names, words in faults if names]
    return "; ".join(told) or None


def _size(value: torch.Tensor) -> str:
    return "×".join(map(str, value.shape)) or "one number"
