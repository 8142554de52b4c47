"""Pre-train and judge: recipes/brain_tumor_r18.yaml on brain MRI and on chest X-rays, from start to scores.

    python benchmarks/pretrain.py [brain_tumor_mri] [chest_xray] [--data ../shared/data] [--runs FOLDER]

Times `gmssl train` as a user starts it (imports, compilation and pictures included), then `gmssl evaluate`: kNN and
linear probe by 5-fold cross-validation over unique images, grouped by patient where the set names one, beside the
untrained encoder and raw pixels. The chest set is smaller; it gets as many optimiser steps by more epochs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table

from gmssl.system.files import write_whole

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "pretrain.json"
GMSSL = str(Path(sys.executable).parent / "gmssl")
# Images to train on, labelled images to judge by, further options of train.
TASKS = {
    "brain_tumor_mri": ("brain_tumor_mri/train", "brain_tumor_mri/train", []),
    "chest_xray": ("chest_xray", "chest_xray/index.csv", ["--set", "train.epochs=33"]),
}


def run(task: str, data: Path, out: Path) -> dict[str, object]:
    """Train and evaluate one task."""
    images, labelled, train_options = TASKS[task]
    recipe = str(ROOT / "recipes" / "brain_tumor_r18.yaml")
    start = perf_counter()
    subprocess.run(
        [GMSSL, "train", recipe, "--set", f"data.root={data / images}", "--out", str(out), *train_options], check=True
    )
    seconds = perf_counter() - start
    subprocess.run([GMSSL, "evaluate", str(out), "--train", str(data / labelled), "--folds", "5"], check=True)
    with (out / "metrics.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    (report,) = (out / "evaluation").glob("*.json")
    return {
        "training seconds": seconds,
        "noiseless match accuracy": float(last["match_accuracy_noiseless"]),
        "certified": float(last["certified"]),
        "evaluation": json.loads(report.read_text()),
    }


def main() -> None:
    """Run the tasks, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=[*TASKS, []], default=[])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--runs", type=Path, help="keep the run folders here; else they are removed")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results["machine"] = {"cores": os.cpu_count(), "torch": torch.__version__}
    table = Table("task", "training s", "noiseless match accuracy", title="recipes/brain_tumor_r18.yaml")
    with tempfile.TemporaryDirectory() as folder:
        for task in arguments.tasks or TASKS:
            results[task] = run(task, arguments.data, (arguments.runs or Path(folder)) / task)
            write_whole(RESULTS, json.dumps(results, indent=2) + "\n")
            found = results[task]
            table.add_row(task, f"{found['training seconds']:.0f}", f"{found['noiseless match accuracy']:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
