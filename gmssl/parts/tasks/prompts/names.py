"""Names of SAM's weights: those of its authors, of timm and of transformers, which is the one that is loaded.

Original checkpoints say `image_encoder.blocks.0.mlp.lin1.weight`; timm, which has the image encoder only,
`blocks.0.mlp.fc1.weight`; transformers `vision_encoder.layers.0.mlp.lin1.weight`. LVM-Med's ViT-B has the authors'
names of the image encoder, with `image_encoder.` before them or without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

ENCODER = "vision_encoder."
"""What transformers puts before the names of the image encoder."""

_POSITIONS = ("prompt_encoder.shared_embedding.positional_embedding", "shared_image_embedding.positional_embedding")
"""One tensor under two names; files hold it once or twice."""

_PIXELS = ("pixel_mean", "pixel_std")
"""Statistics of pixels that some copies of the authors' module keep beside its weights."""

_IN_ENCODER = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"^patch_embed\.proj\.", "patch_embed.projection."),
        (r"^blocks\.", "layers."),
        (r"^(layers\.\d+\.)norm(\d)\.", r"\1layer_norm\2."),
        (r"^(layers\.\d+\.mlp\.)fc(\d)\.", r"\1lin\2."),
        (r"^neck\.0\.", "neck.conv1."),
        (r"^neck\.1\.", "neck.layer_norm1."),
        (r"^neck\.2\.", "neck.conv2."),
        (r"^neck\.3\.", "neck.layer_norm2."),
    )
)

_BESIDE_ENCODER = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$", _POSITIONS[0]),
        (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
        (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
        (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
        (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
        (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
        (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
        (r"^(mask_decoder\.transformer\.(?:layers\.\d+\.)?)norm", r"\1layer_norm"),
        (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
        (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
        (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
        # SAM's perceptrons have three layers: the first, one between, the last.
        (r"^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head)\.)layers\.0\.", r"\1proj_in."),
        (r"^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head)\.)layers\.1\.", r"\1layers.0."),
        (r"^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head)\.)layers\.2\.", r"\1proj_out."),
    )
)


def of_sam(weights: Mapping[str, T]) -> dict[str, T]:
    """The weights of a whole SAM under the names of transformers; unknown names stay, for others to refuse."""
    prefix = "module." if all(name.startswith("module.") for name in weights) else ""
    plain = {name.removeprefix(prefix): value for name, value in weights.items()}
    if not any(name.startswith(ENCODER) for name in plain):
        plain = {_renamed(name): value for name, value in plain.items() if name not in _PIXELS}
    there = next((plain[name] for name in _POSITIONS if name in plain), None)
    return plain if there is None else plain | dict.fromkeys(_POSITIONS, there)


def of_encoder(weights: Mapping[str, T]) -> tuple[str, dict[str, T], tuple[str, ...]]:
    """The weights of an image encoder under the names of transformers, without `vision_encoder.`.

    Returns:
        what stood before the names in the file; the weights; names of those that stood elsewhere, such as a decoder.

    Raises:
        ValueError: there is no image encoder of SAM in it, or more than one.
    """
    found = [match[1] for name in weights if (match := re.fullmatch(r"(.*)patch_embed\.proj(?:ection)?\.weight", name))]
    if len(found) != 1:
        among = f"{len(found)}, below {', '.join(map(repr, found))}" if found else "none"
        raise ValueError(f"image encoders of SAM (`patch_embed.proj.weight`) are in it: {among}")
    prefix = found[0]
    below = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    beside = [name for name in weights if not name.startswith(prefix)]
    if not prefix:  # a whole network whose encoder has no prefix does not exist; modules beside it are no part of it
        below = {name: value for name, value in below.items() if name.partition(".")[0] in _TOP}
        beside = [name for name in weights if name.partition(".")[0] not in _TOP]
    return prefix, {_substituted(name, _IN_ENCODER): value for name, value in below.items()}, tuple(beside)


_TOP = ("patch_embed", "pos_embed", "blocks", "layers", "neck")


def _renamed(name: str) -> str:
    inner = name.removeprefix("image_encoder.")
    return ENCODER + _substituted(inner, _IN_ENCODER) if inner != name else _substituted(name, _BESIDE_ENCODER)


def _substituted(name: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, put in rules:
        name = pattern.sub(put, name)
    return name
