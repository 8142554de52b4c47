"""`gmssl export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmssl.commands.common.options import examples

EXPORT_EXAMPLES = examples(
    "gmssl export RUN --to timm",
    "gmssl export RUN --to onnx --out encoder.onnx",
    "gmssl export RUN --to hf --out my-encoder --results brain.json",
)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder that `gmssl train` printed.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="FORM",
            help="timm (safetensors), torchvision, sam (names of Segment Anything), onnx, or hf (a folder for the "
            "Hugging Face hub, with a model card).",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="New file, or folder for hf. Default: RUN/export/encoder-FORM.", show_default=False
        ),
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Results of `gmssl evaluate --json` for the model card. Repeatable."),
    ] = None,
) -> None:
    """Write a run's encoder in the form of another program, and open it there to see that it fits."""
    from gmssl.evaluation.exporting.export import export as write

    typer.echo(write(run, to, out, results or []))
