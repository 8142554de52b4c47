"""Start-up: `import gmssl`, `gmssl --help`, `gmssl check`; and `make demo` from an empty clone.

    python benchmarks/startup.py [--demo] [--repeats 7]

Start-up times are medians of fresh processes, with bytecode compiled (as the Makefile installs it). `--demo` clones the
committed state to a temporary folder and times `make demo` there, installation included; it needs a network or a pip
mirror and some 7 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from gmssl.system.files import write_whole

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "startup.json"
GMSSL = str(Path(sys.executable).parent / "gmssl")
IMPORT = (
    "import time; start = time.perf_counter(); import gmssl; seconds = time.perf_counter() - start; "
    "import sys; assert 'torch' not in sys.modules; print(seconds)"
)


def environment() -> dict[str, str]:
    """The caller's, but with bytecode: without it every import compiles anew."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def wall(command: list[str], repeats: int) -> float:
    """Median wall seconds of a command, after one run that fills caches."""
    seconds = []
    for _ in range(repeats + 1):
        start = perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment(), cwd=ROOT)
        seconds.append(perf_counter() - start)
    return statistics.median(seconds[1:])


def import_seconds(repeats: int) -> float:
    """Median seconds of `import gmssl` inside a started interpreter; fails if it imports torch."""
    runs = [
        subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True, env=environment())
        for _ in range(repeats + 1)
    ]
    return statistics.median(float(run.stdout) for run in runs[1:])


def demo() -> float:
    """Wall seconds of `make demo` in a fresh clone."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "gmssl"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        start = perf_counter()
        subprocess.run(["make", "demo"], check=True, cwd=clone, env=environment())
        return perf_counter() - start


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results |= {
        "import gmssl": import_seconds(arguments.repeats),
        "gmssl --help": wall([GMSSL, "--help"], arguments.repeats),
        "gmssl check recipes/lvm_med_r50.yaml": wall([GMSSL, "check", "recipes/lvm_med_r50.yaml"], arguments.repeats),
    }
    if arguments.demo:
        results["make demo, empty clone"] = demo()
    table = Table("what", "seconds", title="start-up")
    for name, value in results.items():
        table.add_row(name, f"{value:.3f}")
    Console().print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    write_whole(RESULTS, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
