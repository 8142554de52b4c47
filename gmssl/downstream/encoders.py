"""The encoders that a benchmark is run for, by the words of `--encoder`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gmssl.downstream.foundation import tower
from gmssl.downstream.hub import hub_encoder
from gmssl.errors import RecipeError
from gmssl.evaluation.backbone import EncoderBackbone
from gmssl.evaluation.encoders import FrozenEncoder, load_encoder, timm_encoder
from gmssl.evaluation.runs import build
from gmssl.interfaces.encoder import Encoder
from gmssl.interfaces.registry import part
from gmssl.recipe.statistics import ENCODER, RECIPE

_ALIAS = re.compile(r"(?P<alias>[\w .+-]+)=(?P<rest>.+)")

FORMS = "RUN, timm:NAME, timm:NAME@random, timm:NAME@FILE, file:PATH, hf:REPO, transformers:REPO, random, own"
"""How encoders are named; a run is a folder of `gmssl train`. A name for tables may stand before: `ours=RUN`."""

SEED = "{seed}"
"""Where it stands in a name, there is an encoder for each seed: `ours=runs/ours_{seed}`."""

OWN = "own"


@dataclass(frozen=True)
class Chosen:
    """An encoder by name.

    Attributes:
        name: for tables.
        make: builds it for a seed; weights that are loaded are the same for all seeds.
        varies: whether its weights depend on the seed.
        listed: whether each seed names weights of its own, and not only a draw of random ones.
    """

    name: str
    make: Callable[[int], FrozenEncoder] | None
    varies: bool = False
    listed: bool = False

    def backbone(self, seed: int, size: int, frozen: bool) -> EncoderBackbone | None:
        """Build it for a task; None where the task brings its own network."""
        return None if self.make is None else EncoderBackbone(self.make(seed), size, frozen)


def choose(name: str, size: int, fallback: Encoder | None) -> Chosen:
    """Find out what is meant; weights are read when it is built.

    Args:
        name: one of `FORMS`.
        size: side of the images of the task in pixels.
        fallback: the encoder of the benchmark, for `random` and for files of weights without a recipe beside them.

    Raises:
        RecipeError: it is none of the forms, or `random` without an encoder in the benchmark.
        TrainingError: there is no such run.
    """
    given = None if Path(name).exists() else _ALIAS.fullmatch(name)
    if given is not None:
        return replace(choose(given["rest"], size, fallback), name=given["alias"])
    form, _, rest = name.partition(":")
    if SEED in name:
        return Chosen(name, lambda seed: _of_seed(name, seed, size, fallback), varies=True, listed=True)
    if name == OWN:
        return Chosen(name, None)
    if name == "random":
        encoder = _needed(fallback, name)
        return Chosen(name, lambda seed: _of_settings(encoder, seed, size), varies=True)
    if form == "timm" and rest:
        return _of_timm(name, rest, size)
    if form == "hf" and rest:
        return Chosen(name, lambda seed: hub_encoder(rest, size))
    if form == "transformers" and rest:
        return Chosen(name, lambda seed: tower(rest, size))
    if form == "file" and rest:
        return _of_file(name, Path(rest).expanduser(), size, fallback)
    if Path(name).exists():
        return Chosen(name, lambda seed: load_encoder(name))
    raise RecipeError(f"--encoder {name!r} is no run folder and none of the forms {FORMS}. Give one of these.")


def _of_seed(name: str, seed: int, size: int, fallback: Encoder | None) -> FrozenEncoder:
    make = choose(name.replace(SEED, str(seed)), size, fallback).make
    assert make is not None  # only the word `own` has none
    return make(seed)


def _needed(fallback: Encoder | None, name: str) -> Encoder:
    if fallback is None:
        raise RecipeError(
            f"--encoder {name}: the benchmark names no `encoder`, so what would be built is not known. Add one to it, "
            "as in encoder: {kind: timm, name: resnet18}, or give timm:NAME@random."
        )
    return fallback


def _of_timm(name: str, rest: str, size: int) -> Chosen:
    model, at, weights = rest.partition("@")
    if not at:
        return Chosen(name, lambda seed: timm_encoder(model, pretrained=True, size=size))
    if weights == "random":
        return Chosen(name, lambda seed: timm_encoder(model, size=size, seed=seed), varies=True)
    file = Path(weights).expanduser()
    return Chosen(name, lambda seed: timm_encoder(model, weights=file, size=size))


def _of_file(name: str, file: Path, size: int, fallback: Encoder | None) -> Chosen:
    if file.name == ENCODER and (file.parent / RECIPE).is_file():
        return Chosen(name, lambda seed: load_encoder(file))
    encoder = _needed(fallback, name)
    if "weights" not in type(encoder).model_fields:
        raise RecipeError(f"--encoder {name}: the benchmark's encoder {encoder.kind!r} reads no files of weights.")
    with_weights = encoder.model_copy(update={"weights": file})
    return Chosen(name, lambda seed: _of_settings(with_weights, seed, size))


def _of_settings(encoder: Encoder, seed: int, size: int) -> FrozenEncoder:
    """An encoder of the benchmark; its images are normalised as its weights ask, or to mean and deviation of 0.5."""
    stated = encoder.pretraining()
    half = (0.5,) * encoder.in_channels
    mean, std = (half, half) if stated is None else (stated.mean, stated.std)
    module = build(encoder, seed)
    views = part("views", "multi_crop", large_size=size, mean=mean, std=std)
    source = str(getattr(module, "loaded", None) or f"random weights, seed {seed}")
    return FrozenEncoder(module, views, encoder.in_channels, size, source)


def fingerprint(module: torch.nn.Module) -> str:
    """The first 16 digits of the SHA-256 of names, shapes, types and values of all weights and buffers."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def joined(fingerprints: Sequence[str]) -> str:
    """One fingerprint of several modules; that of a single one is its own."""
    if len(fingerprints) == 1:
        return fingerprints[0]
    return hashlib.sha256(" ".join(fingerprints).encode()).hexdigest()[:16]
