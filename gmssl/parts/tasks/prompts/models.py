"""SAM as it is loaded: a folder of transformers, a checkpoint of its authors, or a small random network."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gmssl.errors import DataError, RecipeError
from gmssl.parts.tasks.prompts.files import Loaded, misfit, places, read_configuration, read_tensors
from gmssl.parts.tasks.prompts.names import ENCODER, of_encoder, of_sam

if TYPE_CHECKING:
    from gmssl.parts.tasks.prompts.settings import TinySam

NECK = "neck."


def transformers() -> Any:
    """The library.

    Raises:
        DataError: it is not installed.
    """
    return _library("transformers")


def monai() -> Any:
    """The library.

    Raises:
        DataError: it is not installed.
    """
    return _library("monai")


def _library(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what these libraries import in their turn
            return importlib.import_module(name)
    except ImportError:
        raise DataError(
            f"prompted_segmentation needs the package {name}, which is not installed; pip install 'gmssl[sam]'."
        ) from None


def tiny(settings: TinySam, image_size: int) -> tuple[Any, None]:
    """A small network with random weights from torch's global generator."""
    width, encoder = settings.width, settings.encoder_width
    library = transformers()
    config = library.SamConfig(
        vision_config={
            "hidden_size": encoder,
            "output_channels": width,
            "num_hidden_layers": settings.encoder_depth,
            "num_attention_heads": settings.encoder_heads,
            "image_size": image_size,
            "window_size": 4,
            "global_attn_indexes": [settings.encoder_depth - 1],
            "num_pos_feats": width // 2,
            "initializer_range": 0.02,  # the library's 1e-10 leaves the image invisible
        },
        prompt_encoder_config={"hidden_size": width, "image_size": image_size},
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": 4 * width,
            "num_attention_heads": settings.heads,
            "iou_head_hidden_dim": width,
        },
    )
    sam = library.SamModel(config)
    # As SAM's authors draw it; the library's standard deviation of half the encoder's width makes places unreadable.
    torch.nn.init.normal_(sam.shared_image_embedding.positional_embedding)
    return sam, None


def load(model: str, image_size: int) -> tuple[Any, Loaded]:
    """A SAM with the weights of `model`, for images of `image_size`.

    Raises:
        DataError: transformers is not installed.
        RecipeError: there is no such model, or its weights do not fit: a tensor is missing, unexpected or of another
            shape; nothing is loaded in part.
    """
    library = transformers()
    configuration, file = places(model)
    weights = of_sam(read_tensors(file, "task.model"))
    try:
        given = _inferred(weights) if configuration is None else read_configuration(configuration)
    except (KeyError, IndexError) as error:
        raise RecipeError(
            f"task.model: {file} is no checkpoint of SAM: it has no {error}. Give the whole network "
            "(image_encoder.*, prompt_encoder.*, mask_decoder.*); an image encoder alone is task.encoder_weights."
        ) from None
    config = library.SamConfig(**given)
    _set_size(config, image_size)
    weights, adapted = resampled(weights, config.vision_config)
    sam = library.SamModel(config)
    fault = misfit(weights, sam.state_dict())
    if fault is not None:
        raise RecipeError(f"task.model: {file} does not fit SAM: {fault}. Give the file of a whole SAM.")
    sam.load_state_dict(weights)
    return sam, Loaded(str(file), len(weights), adapted=adapted)


def load_encoder(sam: Any, path: Path) -> tuple[Loaded, bool]:
    """Put the weights of an image encoder into SAM in place of its own.

    Returns:
        what was loaded, and whether the file had a neck; where it has none, SAM keeps its own.

    Raises:
        RecipeError: a tensor of the encoder is missing, unexpected or of another shape.
    """
    try:
        prefix, weights, beside = of_encoder(read_tensors(path, "task.encoder_weights"))
    except ValueError as error:
        raise RecipeError(f"task.encoder_weights: {path}: {error}. Give the weights of one such encoder.") from None
    encoder = sam.vision_encoder
    fitted, adapted = resampled({ENCODER + name: value for name, value in weights.items()}, encoder.config)
    weights = {name.removeprefix(ENCODER): value for name, value in fitted.items()}
    with_neck = any(name.startswith(NECK) for name in weights)
    expected = {name: value for name, value in encoder.state_dict().items() if with_neck or not name.startswith(NECK)}
    fault = misfit(weights, expected)
    if fault is not None:
        raise RecipeError(
            f"task.encoder_weights: {path} does not fit the image encoder of task.model: {fault}. Give the weights of "
            "the same size of encoder (ViT-B with ViT-B)."
        )
    encoder.load_state_dict(weights, strict=with_neck)
    return Loaded(str(path), len(weights), prefix, beside, tuple(n.removeprefix(ENCODER) for n in adapted)), with_neck


def _set_size(config: Any, image_size: int) -> None:
    if image_size % config.vision_config.patch_size:
        raise RecipeError(
            f"task.image_size: {image_size} is no multiple of SAM's patches of {config.vision_config.patch_size} "
            "pixels. Give a multiple."
        )
    config.vision_config.image_size = image_size
    config.prompt_encoder_config.image_size = image_size
    config.prompt_encoder_config.image_embedding_size = image_size // config.prompt_encoder_config.patch_size


def resampled(weights: dict[str, torch.Tensor], vision: Any) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """Positions for the images of a configuration: absolute ones by bicubic, relative ones by linear interpolation.

    Relative positions of layers with windows do not depend on the image and stay.

    Returns:
        all weights, and the names of those that were resampled.
    """
    grid = vision.image_size // vision.patch_size
    table = weights.get(f"{ENCODER}pos_embed")
    if table is None or table.ndim != 4 or table.shape[1] == grid:
        return weights, ()
    from timm.layers.pos_embed import resample_abs_pos_embed_nhwc

    changed = {f"{ENCODER}pos_embed": resample_abs_pos_embed_nhwc(table, [grid, grid])}
    for layer in vision.global_attn_indexes:
        for name in (f"{ENCODER}layers.{layer}.attn.rel_pos_{axis}" for axis in "hw"):
            if name in weights and weights[name].ndim == 2:
                rows = weights[name].T[None].float()
                fitted = torch.nn.functional.interpolate(rows, size=2 * grid - 1, mode="linear")
                changed[name] = fitted[0].T.contiguous().to(weights[name].dtype)
    return weights | changed, tuple(changed)


def _inferred(weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The configuration that the shapes of a checkpoint tell; the decoder's 8 heads are the authors'.

    Raises:
        KeyError: a tensor that every SAM has is missing.
    """

    def shape(name: str) -> torch.Size:
        return weights[name].shape

    def many(start: str) -> int:
        return len({name[len(start) :].partition(".")[0] for name in weights if name.startswith(start)})

    layer, decoder = f"{ENCODER}layers.", "mask_decoder.transformer.layers."
    width, channels, patch, _ = shape(f"{ENCODER}patch_embed.projection.weight")
    grid = shape(f"{ENCODER}pos_embed")[1]
    depth = many(layer)
    lengths = [shape(f"{layer}{index}.attn.rel_pos_h")[0] for index in range(depth)]
    whole = 2 * grid - 1
    window = (min(lengths) + 1) // 2
    features = shape(f"{ENCODER}neck.conv1.weight")[0]
    return {
        "vision_config": {
            "hidden_size": width,
            "output_channels": features,
            "num_hidden_layers": depth,
            "num_attention_heads": width // shape(f"{layer}0.attn.rel_pos_h")[1],
            "num_channels": channels,
            "image_size": grid * patch,
            "patch_size": patch,
            "mlp_dim": shape(f"{layer}0.mlp.lin1.weight")[0],
            "window_size": window,
            "global_attn_indexes": [index for index, length in enumerate(lengths) if length == whole],
            "num_pos_feats": shape("shared_image_embedding.positional_embedding")[1],
        },
        "prompt_encoder_config": {
            "hidden_size": features,
            "image_size": grid * patch,
            "patch_size": patch,
            "mask_input_channels": shape("prompt_encoder.mask_embed.conv2.weight")[0],
        },
        "mask_decoder_config": {
            "hidden_size": features,
            "mlp_dim": shape(f"{decoder}0.mlp.lin1.weight")[0],
            "num_hidden_layers": many(decoder),
            "attention_downsample_rate": features // shape(f"{decoder}0.cross_attn_token_to_image.q_proj.weight")[0],
            "num_multimask_outputs": shape("mask_decoder.mask_tokens.weight")[0] - 1,
            "iou_head_hidden_dim": shape("mask_decoder.iou_prediction_head.proj_in.weight")[0],
        },
    }


def told(*reports: Loaded | None) -> str:
    """Where all weights came from, for results."""
    known = [str(report) for report in reports if report is not None]
    return "; ".join(known) or "random weights"
