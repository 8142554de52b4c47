"""Weights from files: read without running code, freed of other trainings' prefixes, refused if they do not fit.

Every way in goes through here: `encoder.weights`, the exported file and the checkpoint of a run. A file that fits in
part would leave random weights in a network that is then called pretrained, and nothing later would show it.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gmssl.lazy import torch
from gmssl.system.workers import of_the_machine

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "teacher", "student")
"""Keys under which trainings keep the weights of a checkpoint; averaged ones come first, as in timm."""

PREFIXES = (
    "module.",  # DataParallel
    "_orig_mod.",  # torch.compile
    "backbone.",
    "encoder.",
    "encoder_q.",  # MoCo's query encoder
    "base_encoder.",  # MoCo v3
    "image_encoder.",  # Segment Anything
    "model.",
    "network.",
    "objective.",  # ours, in last.ckpt: objective.encoder.network.
    "teacher.",
    "student.",
)
"""What other trainings put before a network's own names, in any order and number."""

HEADS = (
    *("fc", "head", "classifier", "heads"),
    *("projector", "projection_head", "predictor", "prediction_head", "prototypes"),  # of self-supervised trainings
)
"""Modules of a file that are no part of an encoder; beside these, the classifier that timm names for a model."""

_COUNTER = "num_batches_tracked"
_SHOWN = 3


class UnfitError(ValueError):
    """A file that holds no weights, or those of another network; callers say whose file it is and what to do."""


@dataclass(frozen=True)
class Loaded:
    """Where the weights of an encoder came from.

    Attributes:
        source: file, or what timm downloaded.
        prefix: what stood before every name in the file and was removed.
        tensors: tensors that were loaded.
        left_over: names of tensors that were not: a classifier, or modules beside the network.
        adapted: names of tensors that were made to fit: first convolution, position embeddings.
        names: whose names the file has.
    """

    source: str
    prefix: str = ""
    tensors: int = 0
    left_over: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    names: str = "timm"

    def __str__(self) -> str:
        words = f"{self.tensors} tensors of {self.source}"
        if self.prefix:
            words += f", prefix {self.prefix!r} removed"
        if self.names != "timm":
            words += f"; names of {self.names}"
        if self.adapted:
            words += f"; made to fit: {some(self.adapted)}"
        if self.left_over:
            words += f"; left over: {some(self.left_over)}"
        return words

    def to_json(self) -> dict[str, object]:
        """For `environment.json`."""
        return asdict(self)


def some(names: Collection[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(list(names)[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def header(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a .safetensors file: from its first bytes alone, without torch.

    Raises:
        UnfitError: it is damaged, or of another format.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = path.stat().st_size
            entries: Any = json.loads(file.read(length)) if 0 < length <= size - 8 else None
    except OSError as error:
        raise UnfitError(f"it cannot be read ({error.strerror})") from None
    except ValueError:
        entries = None
    try:
        found = {name: entry for name, entry in entries.items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in found.values()), default=0)
        shapes = {name: tuple(map(int, entry["shape"])) for name, entry in found.items()}
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        raise UnfitError("it is damaged, or no safetensors file") from None
    if 8 + length + end != size:
        raise UnfitError(f"it is damaged: its tensors end at byte {8 + length + end}, and it has {size}")
    if not shapes:
        raise UnfitError("it holds no tensor")
    return shapes


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, on the CPU. Pickled files may hold tensors and plain values only, so no code runs.

    Raises:
        UnfitError: it cannot be read, is damaged, holds other objects, or no tensor.
    """
    if path.suffix == ".safetensors":
        header(path)  # names the fault of a damaged file better than the library does
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise UnfitError(f"it is damaged ({error})") from None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UnfitError(
            "it is refused: it is damaged, or holds more than tensors and plain values, and reading that could run code"
        ) from None
    except Exception as error:  # zip, pickle and torch each have their own ways to reject damaged bytes
        if of_the_machine(error):
            raise
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise UnfitError(f"it is damaged ({type(error).__name__}: {reason})") from None
    weights = _unwrapped(found)
    if not weights:
        raise UnfitError("it holds no tensor under a name")
    return weights


def _unwrapped(found: object) -> dict[str, Tensor]:
    """The tensors of a checkpoint, which may lie in a dictionary of a dictionary."""
    if not isinstance(found, dict):
        return {}
    for name in WRAPPERS:
        inner = _unwrapped(found.get(name))
        if inner:
            return inner
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}


def freed(weights: Mapping[str, T], names: Collection[str]) -> tuple[str, dict[str, T], tuple[str, ...]]:
    """The weights without the prefix under which most of a network's names are found.

    Returns:
        the prefix; the weights below it; the names of those that stood elsewhere, modules beside the network.
    """
    candidates = {""}
    for name in weights:
        place = 0
        while step := next((p for p in PREFIXES if name.startswith(p, place)), None):
            place += len(step)
            candidates.add(name[:place])

    def fitting(prefix: str) -> tuple[int, int, str]:
        return sum(f"{prefix}{name}" in weights for name in names), -len(prefix), prefix

    prefix = max(candidates, key=fitting)
    below = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    return prefix, below, tuple(name for name in weights if not name.startswith(prefix))


def refuse_unfit(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], heads: Collection[str] = ()
) -> tuple[str, ...]:
    """Compare names and shapes with those of a network.

    Args:
        weights: what a file holds, prefixes removed.
        expected: the network's own `state_dict()`.
        heads: modules that the file may hold beside it.

    Returns:
        names of the heads' tensors, which are left over.

    Raises:
        UnfitError: anything else is missing, unexpected, or of another shape; with counts and examples.
    """
    left_over = tuple(name for name in weights if name not in expected and _below(name, heads))
    # Files older than torch 0.4 count no batches; the counter plays no part where momentum is given.
    missing = [name for name in expected if name not in weights and not name.endswith(_COUNTER)]
    unexpected = [name for name in weights if name not in expected and name not in left_over]
    reshaped = [
        f"{name} (the file has {_size(weights[name])}, the network {_size(value)})"
        for name, value in expected.items()
        if name in weights and _size(weights[name]) != _size(value)
    ]
    if missing or unexpected or reshaped:
        counts = (
            (missing, "of the network's tensors are missing"),
            (unexpected, "are unexpected"),
            (reshaped, "have another shape"),
        )
        found = "; ".join(f"{len(names)} {words}: {some(names)}" for names, words in counts if names)
        fitting = len(expected) - len([n for n in expected if n not in weights]) - len(reshaped)
        raise UnfitError(f"{fitting} of its {len(weights)} tensors fit; {found}")
    return left_over


def _below(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _size(value: object) -> str:
    """The shape of a tensor; a module may keep a state of other kinds beside its tensors (`get_extra_state`)."""
    if not isinstance(value, torch.Tensor):
        return "no tensor"
    return "×".join(map(str, value.shape)) or "one number"


def load_strictly(module: torch.nn.Module, weights: Mapping[str, Tensor], source: str) -> Loaded:
    """Load a module's own weights, with or without a prefix; nothing may be missing or left over below it.

    Raises:
        UnfitError: they are of another module.
    """
    expected = module.state_dict()
    prefix, below, beside = freed(weights, expected)
    refuse_unfit(below, expected)
    module.load_state_dict(below, strict=len(below) == len(expected))
    return Loaded(source, prefix, len(below), beside)
