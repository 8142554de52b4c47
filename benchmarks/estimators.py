"""The estimator benchmark of the documentation: `python benchmarks/estimators.py`, some four minutes on one core.

It is `gmssl bench estimators`, which writes `benchmarks/results/estimators.json`, and the table and the picture of
`docs/estimator_benchmark.md`. Further options are passed on: `python benchmarks/estimators.py --estimator imle`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gmssl.commands.program import app

ROOT = Path(__file__).parents[1]
FILES = {
    "--out": ROOT / "benchmarks" / "results" / "estimators.json",
    "--plot": ROOT / "docs" / "estimator_benchmark.png",
    "--markdown": ROOT / "docs" / "estimator_benchmark.md",
}

if __name__ == "__main__":
    written = [word for option, path in FILES.items() for word in (option, str(path))]
    app(["bench", "estimators", *written, *sys.argv[1:]], prog_name="gmssl")
