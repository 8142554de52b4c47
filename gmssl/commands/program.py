"""The command line. Each command is one file of `gmssl.commands`; nothing heavy is imported before a command runs."""

from __future__ import annotations

import errno
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gmssl.commands.bench import bench
from gmssl.commands.check import CHECK_EXAMPLES, check
from gmssl.commands.common.options import examples
from gmssl.commands.data import data
from gmssl.commands.embed import EMBED_EXAMPLES, embed
from gmssl.commands.evaluate import EVALUATE_EXAMPLES, evaluate
from gmssl.commands.explain import EXPLAIN_EXAMPLES, explain
from gmssl.commands.export import EXPORT_EXAMPLES, export
from gmssl.commands.parts import parts
from gmssl.commands.recipes import recipes
from gmssl.commands.report import REPORT_EXAMPLES, report
from gmssl.commands.solve import SOLVE_EXAMPLES, solve
from gmssl.commands.sweep import COMPARE_EXAMPLES, SWEEP_EXAMPLES, compare, sweep
from gmssl.commands.train import TRAIN_EXAMPLES, train
from gmssl.commands.version import VERSION_EXAMPLES, short_version, version
from gmssl.errors import GmsslError
from gmssl.system.console import adapt

_REFUSALS = {
    errno.EACCES: "no permission for",
    errno.EPERM: "no permission for",
    errno.EROFS: "nothing can be written to",
    errno.ENAMETOOLONG: "this path is longer than the system allows",
    errno.EMFILE: "too many files are open (see ulimit -n) to open",
    errno.EIO: "the disk or network drive fails at",
    errno.ENOSPC: "the disk is full; nothing more can be written to",
}
"""What a system may say to any path that a user gives; every other error of the system is a defect."""


PROGRAM_EXAMPLES = examples(
    "gmssl train quickstart  # a first run; it needs no images",
    "gmssl COMMAND -h  # its options, with examples",
)


class _OneMessage(TyperGroup):
    """Faults a user can mend become one message and exit code 2; any other exception keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except GmsslError as error:
            _complain(str(error))
            raise typer.Exit(2) from None
        except OSError as error:
            if error.errno not in _REFUSALS or error.filename is None:
                raise
            _complain(f"{_REFUSALS[error.errno]}: {error.filename}. Give another path, or mend that.")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            _complain("stopped by Ctrl-C")
            raise typer.Exit(130) from None


def _complain(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    # No markup and no wrapping: messages hold shapes such as [G,n,m], and scripts search them by line.
    Console(stderr=True).print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True, highlight=False)


app = typer.Typer(
    name="gmssl",
    cls=_OneMessage,
    help="Contrastive learning as graph matching. Each method, such as LVM-Med, is a recipe: a YAML file.",
    epilog=PROGRAM_EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def program(
    asked: Annotated[
        bool,
        typer.Option("--version", callback=short_version, is_eager=True, help="Print the version of gmssl and exit."),
    ] = False,
) -> None:
    """Options that need no command."""


app.command(epilog=TRAIN_EXAMPLES)(train)
app.command(epilog=EVALUATE_EXAMPLES)(evaluate)
app.command(epilog=EMBED_EXAMPLES)(embed)
app.command(epilog=EXPLAIN_EXAMPLES)(explain)
app.command(epilog=EXPORT_EXAMPLES)(export)
app.command(epilog=REPORT_EXAMPLES)(report)
app.command(epilog=SWEEP_EXAMPLES)(sweep)
app.command(epilog=COMPARE_EXAMPLES)(compare)
app.command(epilog=CHECK_EXAMPLES)(check)
app.command(epilog=SOLVE_EXAMPLES)(solve)
app.add_typer(bench, name="bench")
app.add_typer(data, name="data")
app.add_typer(parts, name="parts")
app.add_typer(recipes, name="recipes")
app.command(epilog=VERSION_EXAMPLES)(version)


def main() -> None:
    """Entry point of the `gmssl` program."""
    for stream in (sys.stdout, sys.stderr):
        adapt(stream)
    app(prog_name="gmssl")
