"""The solver benchmark of the documentation: `python benchmarks/solvers.py`, about ten minutes on one core.

It is `gmssl bench solvers`, which writes `benchmarks/results/solvers.json`, and the tables and the picture of
`docs/solver_benchmark.md`. Further options are passed on: `python benchmarks/solvers.py --n 16 --graphs 60`.

The peer, pylibmgm (GPL-3.0), is measured where it is installed: `pip install pylibmgm ./plugins/gmssl-libmgm`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gmssl.commands.program import app

ROOT = Path(__file__).parents[1]
FILES = {
    "--out": ROOT / "benchmarks" / "results" / "solvers.json",
    "--plot": ROOT / "docs" / "solver_benchmark.png",
    "--markdown": ROOT / "docs" / "solver_benchmark.md",
}

if __name__ == "__main__":
    written = [word for option, path in FILES.items() for word in (option, str(path))]
    app(["bench", "solvers", *written, *sys.argv[1:]], prog_name="gmssl")
