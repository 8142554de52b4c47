"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

RecipePath: TypeAlias = Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file; see recipes/.")]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting, e.g. train.epochs=3. Repeatable."),
]
