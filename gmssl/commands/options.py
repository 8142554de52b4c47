"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from gmssl.parts import Part

RecipePath: TypeAlias = Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file; see recipes/.")]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting, e.g. train.epochs=3. Repeatable."),
]


def part_with(slot: str, kind: str, overrides: list[str]) -> Part:
    """A part by its kind and `--set` options.

    Raises:
        RecipeError: unknown slot, kind or setting, or a setting of the wrong type.
        PluginError: the plugin that provides the kind is broken.
    """
    from pydantic import ValidationError

    from gmssl.errors import RecipeError
    from gmssl.recipe import apply_override
    from gmssl.registry import describe, resolve

    settings: dict[str, Any] = {"kind": kind}
    for override in overrides:
        apply_override(settings, override)
    try:
        return resolve(slot, settings)
    except ValidationError as error:
        raise RecipeError(f"{slot} {kind!r}: {describe(error)}") from None
