"""`gmssl parts check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gmssl.commands.common.options import examples, kind_names, part_with, slot_names, widen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from rich.console import Console

    from gmssl.interfaces.part import Part
    from gmssl.testing.laws import Verdict

SIZES = (10, 16)
PARTS_CHECK_EXAMPLES = examples(
    "gmssl parts check solver robust_tabu --set starts=64",
    "gmssl parts check estimator imle --examples 100",
)


def check_part(
    slot: Annotated[
        str, typer.Argument(help="Slot of the part: solver, estimator or affinity.", autocompletion=slot_names)
    ],
    kind: Annotated[str, typer.Argument(help="Kind of the part, e.g. robust_tabu.", autocompletion=kind_names)],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change one setting of the part. Repeatable."),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Number of examples that each law is tried on.")] = 25,
    planted: Annotated[
        bool, typer.Option(help="Whether a solver must solve problems whose optimum is obvious.")
    ] = True,
) -> None:
    """Check that a part keeps the laws of its slot; for a solver, also measure speed and share of problems solved.

    The exit code is 0 if all laws hold, and 1 if one is broken.
    """
    from rich.console import Console

    from gmssl.interfaces.registry import misspelt, source

    for message in misspelt():
        typer.echo(message, err=True)
    part = part_with(slot, kind, overrides or [])
    report_card = _report_card()
    if slot not in report_card.CONTRACTS:
        from gmssl.errors import RecipeError

        known = ", ".join(sorted(report_card.CONTRACTS))
        raise RecipeError(f"there are no laws for slot {slot!r}; parts check knows {known}.")
    console = Console(highlight=False)
    console.print(f"{slot} {kind}  ({source(slot, kind)})\n", markup=False, soft_wrap=True)
    verdicts = _try_laws(console, report_card.verdicts(part, examples, planted))
    if slot == "solver":
        _measure(console, report_card, part)
    if any(verdict.holds is False for verdict in verdicts):
        raise typer.Exit(1)


def _report_card() -> ModuleType:
    """`gmssl.testing.report_card`, which needs a package that users who only train need not have."""
    try:
        from gmssl.testing import report_card
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        from gmssl.errors import PluginError

        raise PluginError(
            "the laws need the package hypothesis, which is not installed; pip install 'gmssl[testing]'."
        ) from None
    return report_card


def _try_laws(console: Console, verdicts: Iterator[Verdict]) -> list[Verdict]:
    """Print the verdict of each law."""
    from rich.table import Column, Table
    from rich.text import Text

    marks = {True: Text("holds", "green"), False: Text("broken", "bold red"), None: Text("n/a", "dim")}
    done = []
    with console.status("trying the laws") as status:
        for verdict in verdicts:
            done.append(verdict)
            status.update(f"{len(done)} laws tried")
    table = Table(Column("law", no_wrap=True), "", "why", box=None, padding=(0, 2, 0, 0))
    room = max(16, console.width - max(len(verdict.law) for verdict in done) - len("  broken    "))
    for verdict in done:
        why = Text(verdict.reason)
        if verdict.holds and console.is_terminal:  # told in one line; what is wrong with others in full
            why.truncate(room, overflow="ellipsis")
        table.add_row(Text(verdict.law), marks[verdict.holds], why)
    widen(console, [table])
    console.print(table)
    held, broken, silent = (sum(v.holds is answer for v in done) for answer in (True, False, None))
    console.print(f"\n{held} laws hold, {broken} broken, {silent} do not apply.")
    return done


def _measure(console: Console, report_card: ModuleType, solver: Part) -> None:
    """Print speed and solved share."""
    from rich.table import Table
    from rich.text import Text

    table = Table("n", "instances", "µs per instance", "solved", box=None, padding=(0, 2, 0, 0))
    refused = []
    with console.status("measuring"):
        for n in SIZES:
            found = report_card.measured(solver, n)
            if found.refusal is not None:
                refused.append(f"n = {n} was refused: {found.refusal}")
                continue
            solved = "relaxed" if found.solved is None else f"{found.solved:.1%}"
            table.add_row(*map(Text, (str(n), str(found.instances), f"{found.microseconds:.0f}", solved)))
    if table.row_count:
        console.print(
            "\nPaired embeddings, noise 0.5, 1 and 3, margin 0 and 1; solved: as well as by robust_tabu "
            f"{report_card.STARTS}×{report_card.ITERATIONS}, without edges optimally",
            soft_wrap=True,
        )
        console.print(table)
    for line in refused:
        console.print(line, markup=False, soft_wrap=True)
