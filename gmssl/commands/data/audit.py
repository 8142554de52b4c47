"""`gmssl data audit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gmssl.commands.common.options import conditions, examples

if TYPE_CHECKING:
    from gmssl.corpus.audit.findings import Audit
    from gmssl.evaluation.encoders import FrozenEncoder
    from gmssl.system.grid import Grid

AUDIT_EXAMPLES = examples(
    "gmssl data audit store --against my/test --out audit",
    "gmssl data audit my/train --against my/test --out audit",
    "gmssl data audit store --out doubles  # copies within the store",
)


Against: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="TEST", help="A test set, in the same form. Repeatable. Without it, copies within STORE are found."
    ),
]
Encoder: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="ENCODER",
        help="Also look at the neighbours by the features of an encoder: a run folder, or timm:NAME for timm's "
        "pretrained weights.",
        show_default=False,
    ),
]
Rows: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Keep only these rows of STORE. Repeatable.")
]
TestRows: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=VALUE", help="Keep only these rows of every test set. Repeatable."),
]


def audit(
    store: Annotated[
        Path, typer.Argument(metavar="STORE", help="What is trained on: a store, a folder of images or a CSV manifest.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the page, the pairs and the exclusions.")],
    against: Against = None,
    where: Rows = None,
    where_test: TestRows = None,
    encoder: Encoder = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Least score of a near copy.")] = 0.75,
    neighbours: Annotated[
        int, typer.Option(min=1, help="Number of stored images that are looked at closely for each test image.")
    ] = 8,
    patients: Annotated[
        bool, typer.Option("--patients", help="Also exclude all images of patients and studies of the test sets.")
    ] = False,
    salt: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Salt of the store, to compare patients of a manifest.", show_default=False),
    ] = None,
    shown: Annotated[int, typer.Option(min=0, help="Number of pairs of each kind on the page.")] = 60,
) -> None:
    """Find test images in what is trained on: copies, near copies, patients and studies.

    Writes audit.html, pairs.csv, audit.json, and exclude.csv, the list that `data build`, `train` and `evaluate` take.
    """
    kept = conditions("--where", where, store, "STORE")
    held = conditions("--where-test", where_test, against[0] if against else None, "--against")

    from rich.console import Console

    from gmssl.commands.common.options import show
    from gmssl.corpus.audit.search import audit as search
    from gmssl.corpus.audit.sides import open_side
    from gmssl.corpus.audit.writing import make_folder, write_audit
    from gmssl.evaluation.progress import Stages

    searched, tests = open_side(store, kept, salt), [open_side(path, held, salt) for path in against or []]
    chosen = None if encoder is None else _encoder(encoder)
    make_folder(out)
    stages = Stages(Console(stderr=True))
    found = search(searched, tests, out, stages, chosen, threshold, neighbours)
    with stages.stage("write", len(found.comparisons), "test sets"):
        write_audit(found, out, shown, patients, " ".join(["gmssl", *sys.argv[1:]]))
    show([table_of(found)])
    typer.echo(out)


def _encoder(name: str) -> FrozenEncoder:
    from gmssl.evaluation.encoders import load_encoder, timm_encoder

    kind, colon, model = name.partition(":")
    return timm_encoder(model, pretrained=True) if kind == "timm" and colon else load_encoder(name)


def table_of(found: Audit) -> Grid:
    """One line for each test set."""
    from gmssl.corpus.audit.findings import EXACT, NEAR
    from gmssl.system.grid import Grid

    rows = []
    for one in found.comparisons:
        exact, near = one.images(EXACT), one.images(NEAR)
        ids = {what: len({s.name for s in one.shared if s.what == what}) for what in ("patient", "study")}
        told = [str(ids["patient"]), str(ids["study"])] if one.ids else ["–", "–"]
        counts = (len(one.test), len(exact), len(near - exact), len(one.test) - len(exact | near))
        rows.append(("itself" if one.within else one.test.name, *map(str, counts), *told))
    names = ("against", "images", "exact", "near", "left", "patients", "studies")
    return Grid("", names, rows, note="The pairs stand side by side in audit.html.", left=1)
