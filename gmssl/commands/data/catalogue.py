"""`gmssl data list | show | verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gmssl.commands.common.options import dataset_names, examples
from gmssl.commands.common.options import show as show_tables
from gmssl.commands.data.stores import show_store

DATA_LIST_EXAMPLES = examples("gmssl data list", "gmssl data list --modality ct --json")
DATA_SHOW_EXAMPLES = examples(
    "gmssl data show BCCD",
    "gmssl data show store --json  # what a store holds",
    "gmssl data show MSD-Liver --yaml  # to begin an entry of your own",
)
DATA_VERIFY_EXAMPLES = examples(
    "gmssl data verify BCCD archives/BCCD_Dataset",
    "gmssl data verify LiTS2017 archives/lits --list file_list.txt",
)

NAME_HELP = "Name of a dataset, as `gmssl data list` prints it; capital letters do not matter."
Folders: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--catalogue", metavar="DIR", help="Add the entries of this folder, a YAML file each. Repeatable."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def list_datasets(
    modality: Annotated[
        str | None, typer.Option(help="List only datasets of this modality, e.g. ct.", show_default=False)
    ] = None,
    as_json: Json = False,
    catalogue: Folders = None,
) -> None:
    """List the datasets of the catalogue: those of LVM-Med, numbered as in the paper, and your own."""
    from gmssl.corpus.catalogue.entry import MODALITIES
    from gmssl.corpus.catalogue.loading import load_catalogue
    from gmssl.corpus.catalogue.wording import catalogue_grid
    from gmssl.errors import DataError
    from gmssl.interfaces.part import nearest
    from gmssl.system.json_text import json_text

    if modality is not None and modality not in MODALITIES:
        known = ", ".join(MODALITIES)
        raise DataError(f"no modality {modality!r}{nearest(modality, MODALITIES)}; modalities are {known}.")
    entries = [e for e in load_catalogue(catalogue or ()).values() if modality is None or modality in e.modality]
    if as_json:
        typer.echo(json_text([entry.model_dump(mode="json") for entry in entries]))
    else:
        show_tables([catalogue_grid(entries)])


def show(
    name: Annotated[str, typer.Argument(help=NAME_HELP, autocompletion=dataset_names)],
    as_json: Json = False,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the file of the entry, from which to begin one of your own.")
    ] = False,
    catalogue: Folders = None,
) -> None:
    """Print all that the catalogue knows of a dataset: how to get it, how it lies on disk, what is odd about it.

    Of the folder of a store it prints what that holds.
    """
    from gmssl.corpus.catalogue.loading import load_catalogue
    from gmssl.corpus.catalogue.wording import entry_grids
    from gmssl.errors import DataError
    from gmssl.system.json_text import json_text

    known, folder = load_catalogue(catalogue or ()), Path(name)
    if folder.is_dir() and name not in known:
        if as_yaml:
            raise DataError(f"{name} is a folder; --yaml prints entries of the catalogue. Leave it out, or use --json.")
        show_store(folder, as_json)
        return
    if as_yaml and as_json:
        raise DataError("--yaml and --json are two forms of one answer; leave one out.")
    if name not in known and (folder.is_file() or folder.name != name):
        what = f"{name} is a file" if folder.is_file() else f"there is no store {name}, and no dataset of that name"
        raise DataError(f"{what}; name the folder of a store, or a dataset that `gmssl data list` prints.")
    entry = known.find(name)
    if as_yaml:
        typer.echo(known.places[entry.name].read_text(encoding="utf-8"), nl=False)
    elif as_json:
        typer.echo(json_text(entry.model_dump(mode="json")))
    else:
        show_tables(entry_grids(entry))


def verify(
    name: Annotated[str, typer.Argument(help=NAME_HELP, autocompletion=dataset_names)],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder that the archive was unpacked to.")],
    listed: Annotated[
        Path | None,
        typer.Option("--list", metavar="FILE", help="List of names that the authors released, to compare with, too."),
    ] = None,
    contents: Annotated[
        bool, typer.Option("--contents", help="Also find images with the same bytes; reads those of equal size.")
    ] = False,
    as_json: Json = False,
    catalogue: Folders = None,
) -> None:
    """Say which files of an archive are missing, extra or doubled; exit code 1 if it is not complete."""
    from dataclasses import asdict

    from gmssl.corpus.catalogue import verify as corpus
    from gmssl.corpus.catalogue.loading import load_catalogue
    from gmssl.corpus.catalogue.wording import verification_grid
    from gmssl.system.json_text import json_text

    entry = load_catalogue(catalogue or ()).find(name)
    found = corpus.verify(entry, path, listed, contents)
    if as_json:
        places = [each.place.model_dump(mode="json") | {"files": each.files} for each in found.found]
        typer.echo(json_text(asdict(found) | {"found": places, "complete": found.complete}))
    else:
        show_tables([verification_grid(found)])
    if not found.complete:
        raise typer.Exit(1)
