"""`gmssl explain` as users wait for it: a fresh process with all defaults, from start to the written page.

    python benchmarks/explain.py [RUN] [--rounds 5]

Without a run folder, recipes/quickstart.yaml is trained first. Prints medians over the rounds of the whole command and
of the stages that it tells of, after one round that fills the caches of compiled kernels.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table
from startup import GMSSL, ROOT, environment

AIM = 15
_STAGE = re.compile(r"^(?P<name>[a-z ]+): \d+ \w+, (?P<seconds>[\d.]+) s$", re.MULTILINE)


def explained(run: Path, out: Path) -> dict[str, float]:
    """Seconds of each stage, and of the whole process."""
    start = perf_counter()
    command = [GMSSL, "explain", str(run), "--out", str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    seconds = perf_counter() - start
    stages = {found["name"]: float(found["seconds"]) for found in _STAGE.finditer(done.stderr)}
    return {**stages, "whole command": seconds}


def main() -> None:
    """Train if there is no run, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = given.run or Path(folder) / "run"
        if given.run is None:
            train = [GMSSL, "train", "recipes/quickstart.yaml", "--out", str(run)]
            subprocess.run(train, check=True, capture_output=True, cwd=ROOT, env=environment())
        rounds = [explained(run, Path(folder) / "report") for _ in range(given.rounds + 1)][1:]
    table = Table("stage", "seconds", "least", "most", title=f"gmssl explain, aim {AIM} s")
    for stage in rounds[0]:
        seconds = [found[stage] for found in rounds]
        table.add_row(stage, *(f"{number:.1f}" for number in (statistics.median(seconds), min(seconds), max(seconds))))
    Console().print(table)


if __name__ == "__main__":
    main()
