"""`export`: the encoder of a run for timm, torchvision, Segment Anything, ONNX, and the Hugging Face hub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from gmssl.errors import RecipeError
from gmssl.evaluation.encoders import FrozenEncoder, load_encoder
from gmssl.evaluation.exporting.hub import write_hub
from gmssl.evaluation.exporting.onnx import write_onnx
from gmssl.evaluation.exporting.weights import write_sam, write_timm, write_torchvision
from gmssl.interfaces.part import nearest

Writer: TypeAlias = Callable[[FrozenEncoder, Path, Path, Sequence[Path]], None]
"""Writes an encoder, of a run, to a path that does not exist yet; the last are files of results for a model card."""

FORMS: Mapping[str, tuple[str, Writer]] = {
    "timm": (".safetensors", write_timm),
    "torchvision": (".pth", write_torchvision),
    "sam": (".pth", write_sam),
    "onnx": (".onnx", write_onnx),
    "hf": ("", write_hub),
}
"""Name of a form → the end of its file's name (none: a folder), and what writes it."""


def export(run: Path, form: str, out: Path | None = None, results: Sequence[Path] = ()) -> Path:
    """Write the encoder of a run.

    Args:
        run: the run folder.
        form: one of `FORMS`.
        out: new file, or new folder for `hf`; default: `export/encoder-<form>` in the run folder.
        results: files of `gmssl evaluate --json`, for the model card of `hf`.

    Returns:
        the file or folder.

    Raises:
        RecipeError: the encoder has no such form, the form does not exist, or something is at `out` already.
        TrainingError: the run has no weights.
    """
    if form not in FORMS:
        raise RecipeError(f"--to {form!r} is no form{nearest(form, FORMS)}; forms are {', '.join(FORMS)}.")
    if results and form != "hf":
        raise RecipeError(f"--results are for the model card of --to hf, and {form} has none. Leave them out.")
    end, write = FORMS[form]
    target = out or run / "export" / f"encoder-{form}{end}"
    if target.exists():
        raise RecipeError(f"{target} exists. Remove it, or name another place with --out.")
    if end and target.suffix != end:
        raise RecipeError(f"--out {target}: a file of {form} ends in {end}. Rename it.")
    encoder = load_encoder(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that it appears there whole or not at all.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
        written = Path(folder) / target.name
        write(encoder, written, run, results)
        shutil.move(written, target)
    return target
