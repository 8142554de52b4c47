"""`gmssl parts list | show | schema | check`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmssl.commands.common.options import examples, kind_names, slot_names, widen
from gmssl.commands.common.type_words import type_in_words
from gmssl.commands.parts_check import PARTS_CHECK_EXAMPLES, check_part

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from gmssl.interfaces.part import Part

PARTS_LIST_EXAMPLES = examples(
    "gmssl parts list  # the kinds of all slots",
    "gmssl parts list solver  # the kinds of one slot",
)
PARTS_SHOW_EXAMPLES = examples("gmssl parts show solver robust_tabu")
PARTS_SCHEMA_EXAMPLES = examples("gmssl parts schema --out recipe.schema.json")
parts = typer.Typer(help="List, describe and check the parts that recipes are made of.", no_args_is_help=True)
parts.command("check", epilog=PARTS_CHECK_EXAMPLES)(check_part)


@parts.command("list", epilog=PARTS_LIST_EXAMPLES)
def list_kinds(
    slot: Annotated[
        str | None,
        typer.Argument(
            help="List only the kinds of this slot, e.g. solver.", show_default=False, autocompletion=slot_names
        ),
    ] = None,
) -> None:
    """List the installed kinds of parts, each with a sentence and the package that provides it."""
    from rich.console import Console
    from rich.table import Column, Table

    from gmssl.errors import PluginError
    from gmssl.interfaces.registry import GROUPS, find, kinds, misspelt, source

    rows, broken = [], []
    for name in [slot] if slot is not None else GROUPS:
        for kind in kinds(name):
            try:
                what = _first_line(find(name, kind))
            except PluginError as error:  # it hides no other kind
                what = "broken, see below"
                broken.append(str(error))
            rows.append((name, kind, source(name, kind), what))
    console = Console(highlight=False)
    names = [Column(name, no_wrap=True) for name in ("slot", "kind", "package")]
    table = Table(*names, Column("what it is", overflow="fold"), box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*map(_plain, row))
    widen(console, [table])
    console.print(table)
    for message in [*broken, *misspelt()]:
        console.print(message, style="red", markup=False, soft_wrap=True)


@parts.command(epilog=PARTS_SHOW_EXAMPLES)
def show(
    slot: Annotated[str, typer.Argument(help="Slot of the part, e.g. solver.", autocompletion=slot_names)],
    kind: Annotated[str, typer.Argument(help="Kind of the part, e.g. robust_tabu.", autocompletion=kind_names)],
) -> None:
    """Describe one kind of part: what it does, its settings, its facts, and the package that provides it."""
    from rich.console import Console

    from gmssl.interfaces.registry import find, source

    part = find(slot, kind)
    console = Console(highlight=False)
    out = lambda text: console.print(text, markup=False, soft_wrap=True)  # noqa: E731
    out(f"{slot} {kind}  ({source(slot, kind)}, {part.__module__}.{part.__qualname__})\n")
    out(inspect.getdoc(part) or "")
    table = _settings(part)
    if table.row_count:
        console.print("\nSettings")
        console.print(table)
    else:
        console.print("\nNo settings: write its name.")
    facts = _facts(part)
    if facts:
        out("\nFacts: " + ", ".join(f"{name} {value}" for name, value in facts.items()))


@parts.command(epilog=PARTS_SCHEMA_EXAMPLES)
def schema(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the schema to this file instead of printing it.")
    ] = None,
) -> None:
    """Print the JSON schema of recipes with all installed kinds, by which editors complete recipes."""
    from gmssl.commands.common.schema import recipe_schema
    from gmssl.errors import RecipeError
    from gmssl.system.files import write_whole
    from gmssl.system.json_text import json_text

    text = json_text(recipe_schema())
    if out is None:
        typer.echo(text)
        return
    try:
        write_whole(out, text + "\n")
    except OSError as error:
        raise RecipeError(f"{out} cannot be written: {error.strerror}. Name a file in a folder that exists.") from None


def _first_line(part: type[Part]) -> str:
    return (inspect.getdoc(part) or "").partition("\n\n")[0].replace("\n", " ")


def _settings(part: type[Part]) -> Table:
    from rich.table import Table

    table = Table("name", "type", "default", "meaning", box=None, padding=(0, 2, 0, 0))
    for name, field in part.model_fields.items():
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        kind = type_in_words(field.annotation, field.metadata)
        table.add_row(name, _plain(kind), _plain(default), _plain(field.description or ""))
    return table


def _plain(text: str) -> Text:
    """Text in which square brackets are no markup."""
    from rich.text import Text

    return Text(text)


def _default(value: Any) -> str:
    """A default as a recipe writes it, except for `none`, which is null in a recipe."""
    from gmssl.interfaces.part import Part

    if isinstance(value, Part):
        return value.kind
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_default, value))}]"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _facts(part: type[Part]) -> dict[str, Any]:
    """Class facts: public class variables with a value other than slot and kind."""
    facts: dict[str, Any] = {}
    for base in part.__mro__:
        for name, annotation in vars(base).get("__annotations__", {}).items():
            known = name in ("slot", "kind") or name.startswith("_") or name.startswith("model_")
            if not known and "ClassVar" in str(annotation) and hasattr(part, name):
                facts.setdefault(name, getattr(part, name))
    return dict(sorted(facts.items()))
