"""Names that other libraries give to the weights of the same networks.

A dialect is a list of substitutions, tried in their order on every name. Names that a network already has stay as they
are, and the dialect by which most names are found is taken (`weights.freed`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gmssl.parts.encoders.weights import PREFIXES, UnfitError, freed

T = TypeVar("T")

_WRAPPED = "^((?:" + "|".join(re.escape(prefix) for prefix in PREFIXES) + ")*)"
"""What other trainings put before names, as a group that substitutions keep."""


@dataclass(frozen=True)
class Dialect:
    """How somebody names weights.

    Attributes:
        who: whose names they are, for users.
        rules: pairs of an expression and what takes its place, from their names to timm's.
    """

    who: str
    rules: tuple[tuple[str, str], ...] = ()

    def translated(self, name: str) -> str:
        """The name in timm."""
        for pattern, put in self.rules:
            name = re.sub(pattern, put, name)
        return name


SEQUENTIAL = Dialect(
    "a ResNet as a sequence of its children, as lightly's tutorials build it",
    (
        (_WRAPPED + r"0\.(weight)$", r"\1conv1.\2"),
        (_WRAPPED + r"1\.(weight|bias|running_mean|running_var|num_batches_tracked)$", r"\1bn1.\2"),
        *((_WRAPPED + rf"{number + 3}\.(\d+\.)", rf"\1layer{number}.\2") for number in (1, 2, 3, 4)),
    ),
)

TORCHVISION_VIT = Dialect(
    "torchvision's VisionTransformer",
    (
        (r"(^|\.)conv_proj\.", r"\1patch_embed.proj."),
        (r"(^|\.)class_token$", r"\1cls_token"),
        (r"(^|\.)encoder\.pos_embedding$", r"\1pos_embed"),
        (r"(^|\.)encoder\.ln\.", r"\1norm."),
        (r"(^|\.)encoder\.layers\.encoder_layer_(\d+)\.", r"\1blocks.\2."),
        (r"\.ln_([12])\.", r".norm\1."),
        (r"\.self_attention\.in_proj_", ".attn.qkv."),
        (r"\.self_attention\.out_proj\.", ".attn.proj."),
        (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
        (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
        (r"(^|\.)heads\.head\.", r"\1head."),
    ),
)

SAM = Dialect(
    "the image encoder of Segment Anything",
    ((r"\.mlp\.lin([12])\.", r".mlp.fc\1."),),
)

DIALECTS = (Dialect("timm"), SEQUENTIAL, TORCHVISION_VIT, SAM)


def understood(weights: Mapping[str, T], names: Collection[str]) -> tuple[Dialect, str, dict[str, T], tuple[str, ...]]:
    """The weights in the dialect, and below the prefix, by which most of a network's names are found.

    Returns:
        the dialect; the prefix; the weights below it; the names of those that stood elsewhere.

    Raises:
        UnfitError: two weights of the file have one name in timm.
    """
    known, best = set(names), -1
    found: tuple[Dialect, str, dict[str, T], tuple[str, ...]] | None = None
    for dialect in DIALECTS:
        translated = {dialect.translated(name): value for name, value in weights.items()}
        if len(translated) < len(weights):
            continue  # not this dialect: it makes one name of two
        prefix, below, beside = freed(translated, names)
        fitting = len(known & set(below))
        if fitting > best:
            best, found = fitting, (dialect, prefix, below, beside)
    if found is None:
        raise UnfitError("two of its weights have one name")
    return found
