"""ONNX files, compared with torch before they count."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from gmssl.errors import RecipeError
from gmssl.evaluation.encoders import FrozenEncoder

TOLERANCE = 1e-4
"""Largest difference from torch, as a share of the largest output and of one."""

_NAMES = ("map", "features")
_LIBRARIES = ("onnx", "onnxruntime", "onnxscript")


def write_onnx(encoder: FrozenEncoder, path: Path, run: Path, results: Sequence[Path]) -> None:
    """One file with its weights: `images` float32 `[B,K,S,S]`, normalised, to `map` and pooled `features`, for any B.

    Raises:
        RecipeError: a library is missing, ONNX lacks an operation of the network, or its outputs differ from torch's.
    """
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(f"--to onnx needs {', '.join(missing)}. Install them with `pip install 'gmssl[onnx]'`.")
    size = encoder.image_size
    images = torch.rand(3, encoder.in_channels, size, size, generator=torch.Generator().manual_seed(0))
    fault = ""
    # The newer exporter lacks operations that the older one has, and the other way round.
    for newer in (True, False):
        try:
            _write(encoder, images, path, newer)
            fault = _difference(encoder, images, path)
        except Exception as error:  # exporters raise whatever the network's code raises under them
            fault = (str(error).strip() or repr(error)).splitlines()[0]
        if not fault:
            return
    raise RecipeError(f"the encoder cannot be written as ONNX: {fault.rstrip('.')}. Export to timm instead.")


def _write(encoder: FrozenEncoder, images: torch.Tensor, path: Path, newer: bool) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about sizes that are constants, which they are meant to be
        if newer:
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(
                encoder.encoder,
                (images,),
                path,
                input_names=["images"],
                output_names=list(_NAMES),
                dynamic_shapes=shapes,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        else:
            axes = {name: {0: "batch"} for name in ("images", *_NAMES)}
            torch.onnx.export(
                encoder.encoder,
                (images,),
                str(path),
                input_names=["images"],
                output_names=list(_NAMES),
                dynamic_axes=axes,
                dynamo=False,
            )


def _difference(encoder: FrozenEncoder, images: torch.Tensor, path: Path) -> str:
    """What differs from torch, for other numbers of images than it was written with; empty if nothing does."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (1, 2):
        given = images[:count]
        with torch.no_grad():
            expected = encoder(given)
        for name, found, wanted in zip(_NAMES, session.run(None, {"images": given.numpy()}), expected, strict=True):
            largest = float((torch.from_numpy(found) - wanted).abs().max() / wanted.abs().max().clamp(min=1))
            if not largest <= TOLERANCE:
                return f"its {name} differs from torch's by {largest:.1e}"
    return ""
