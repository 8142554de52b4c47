"""`gmssl data`: datasets of the catalogue, archives on disk, and stores."""

from __future__ import annotations

import typer

from gmssl.commands.data.audit import AUDIT_EXAMPLES, audit
from gmssl.commands.data.build import BUILD_EXAMPLES, build
from gmssl.commands.data.catalogue import (
    DATA_LIST_EXAMPLES,
    DATA_SHOW_EXAMPLES,
    DATA_VERIFY_EXAMPLES,
    list_datasets,
    show,
    verify,
)
from gmssl.commands.data.plan import PLAN_EXAMPLES, plan

data = typer.Typer(help="List datasets, check archives, build stores from them, and find leaks.", no_args_is_help=True)
data.command("list", epilog=DATA_LIST_EXAMPLES)(list_datasets)
data.command(epilog=DATA_SHOW_EXAMPLES)(show)
data.command(epilog=DATA_VERIFY_EXAMPLES)(verify)
data.command(epilog=BUILD_EXAMPLES)(build)
data.command(epilog=PLAN_EXAMPLES)(plan)
data.command(epilog=AUDIT_EXAMPLES)(audit)
