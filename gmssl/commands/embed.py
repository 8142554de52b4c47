"""`gmssl embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmssl.commands.common.options import Workers, conditions, examples

EMBED_EXAMPLES = examples(
    "gmssl embed RUN my/images --out features.npz",
    "gmssl embed RUN my/index.csv --where split=test --out features.parquet",
    "gmssl embed --encoder resnet50 --pretrained my/images --out features.csv",
)


def embed(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[RUN] IMAGES",
            help="Run folder, which is left out with --encoder; then a folder of images or a CSV manifest.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write; its name ends in .parquet, .npz or .csv.")],
    where: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Keep only these rows of the manifest. Repeatable.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this model of timm instead of a run.", show_default=False)
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights for --encoder.", show_default=False)
    ] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Use timm's weights for --encoder.")] = False,
    random: Annotated[bool, typer.Option("--random", help="Use random weights for --encoder.")] = False,
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Side of the images in pixels. Default: the model's own.", show_default=False),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=3, help="1 for grey images, 3 for colour. Default: 3.", show_default=False)
    ] = None,
    workers: Workers = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out if it exists.")] = False,
) -> None:
    """Write the features of images to a file, with their paths, and with labels and patients if they are known."""
    given = {"--weights": weights, "--pretrained": pretrained, "--random": random}
    run, source = _places(paths, encoder, {**given, "--size": size, "--channels": channels})
    if encoder is not None:
        _one_source([option for option, value in given.items() if value], encoder)
    if channels == 2:
        raise typer.BadParameter("--channels is 1 or 3.")
    kept = conditions("--where", where, source, "IMAGES")

    from rich.console import Console

    from gmssl.evaluation.embedding import embed as features_of
    from gmssl.evaluation.embedding import refuse_names, refuse_out, write
    from gmssl.evaluation.encoders import load_encoder, timm_encoder
    from gmssl.evaluation.progress import Stages
    from gmssl.evaluation.selection import list_source

    refuse_out(out, overwrite)
    images = list_source(source, kept)
    refuse_names(images)
    chosen = load_encoder(run) if run else timm_encoder(str(encoder), weights, pretrained, size, channels)
    console = Console(stderr=True)
    found = features_of(chosen, images, workers, stages=Stages(console))
    write(found, out)
    for name in found.unreadable:
        console.print(f"left out, unreadable: {name}", markup=False, highlight=False, soft_wrap=True)
    count, length = found.features.shape
    console.print(f"{count} images, {length} features; weights: {chosen.source}", markup=False, soft_wrap=True)
    typer.echo(out)


def _places(paths: list[Path], encoder: str | None, options: dict[str, object]) -> tuple[Path | None, Path]:
    """The run, if there is one, and the images."""
    if encoder is not None:
        if len(paths) != 1:
            raise typer.BadParameter(f"with --encoder give IMAGES alone, not {len(paths)} paths.")
        return None, paths[0]
    needless = [option for option, value in options.items() if value]
    if needless:
        raise typer.BadParameter(f"{needless[0]} belongs to --encoder; a run has its own. Leave one of them out.")
    if len(paths) != 2:
        raise typer.BadParameter(f"give RUN and IMAGES, not {len(paths)} path(s); without a run, --encoder NAME.")
    return paths[0], paths[1]


def _one_source(given: list[str], encoder: str) -> None:
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)} are different weights; give one of them.")
    if not given:
        raise typer.BadParameter(
            f"--encoder {encoder} would have random weights. Give --weights FILE or --pretrained; if random ones are "
            "meant, --random."
        )
