"""Tables of docs/results.md on what a start is worth, from a report: `python benchmarks/starts.py`.

make study-starts judge-starts && python benchmarks/starts.py     reads runs/study/starts/report, writes the page, its
                                                                  picture and benchmarks/results/study/starts_*.csv
python benchmarks/starts.py --report FOLDER                       of a report that lives elsewhere
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

from study import PAGE, RESULTS, ROOT, with_interval

from gmssl.problem.formats.text import write_text
from gmssl.system.grid import Grid, page_with

TITLES = {
    "brain": "brain MRI, accuracy",
    "chest": "chest X-rays, balanced accuracy",
    "ultrasound": "breast ultrasound, balanced accuracy",
    "nuclei": "nuclei, Dice",
}
TENTH = "_tenth"
Row = dict[str, str]
Scores = dict[tuple[str, str], Row]
Differences = dict[tuple[str, str, str], Row]


def rows_of(path: Path) -> list[Row]:
    """The rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scores_of(path: Path) -> Scores:
    """(encoder, benchmark) → its main score over all cases."""
    shown = [row for row in rows_of(path) if row["shown"] == "True" and row["cases"] == "all" and not row["site"]]
    return {(row["encoder"], row["benchmark"]): row for row in shown}


def differences_of(path: Path) -> Differences:
    """(encoder, other, benchmark) → the former minus the latter, for both orders."""
    found: Differences = {}
    for row in rows_of(path):
        found[row["encoder"], row["minus"], row["benchmark"]] = row
        turned = row | {"mean": turn(row["mean"])}
        for over in ("seeds", "patients"):
            turned |= {f"{over}_low": turn(row[f"{over}_high"]), f"{over}_high": turn(row[f"{over}_low"])}
        found[row["minus"], row["encoder"], row["benchmark"]] = turned
    return found


def turn(number: str) -> str:
    """The negative of a number that may be missing."""
    return str(-float(number)) if number else ""


def level(row: Row) -> str:
    """Mean ± deviation in per cent."""
    return f"{100 * float(row['mean']):.1f} ± {100 * float(row['deviation']):.1f}"


def gain(row: Row) -> str:
    """A difference in points and its interval over seeds; bold where that over patients excludes 0, too."""
    low, high = row["seeds_low"], row["seeds_high"]
    text = with_interval(float(row["mean"]), (float(low), float(high)) if low else None)
    return f"**{text}**" if row["told_apart"] not in ("0", "") else text


def start_of(encoder: str) -> str | None:
    """What an encoder began with, as tables call it; None for a start itself."""
    _, found, start = encoder.partition(" from ")
    return start if found else None


def tables(scores: Scores, differences: Differences, ending: str) -> list[Grid]:
    """Scores, and differences from the start, with all labels or a tenth."""
    encoders = list(dict.fromkeys(encoder for encoder, _ in scores))
    titles = {name + ending: title for name, title in TITLES.items()}
    shown = [name for name in titles if any((encoder, name) in scores for encoder in encoders)]
    heads = ("", *(titles[name] for name in shown))
    labels = "a tenth of the labels" if ending else "all labels"
    levels = [(encoder, *(level(scores[encoder, name]) for name in shown)) for encoder in encoders]
    gains = []
    for encoder in encoders:
        start = start_of(encoder)
        if start is not None:
            gains.append((encoder, *(gain(differences[encoder, start, name]) for name in shown)))
    note = f"What pre-training added to its start, {labels}, in points:"
    return [Grid("", heads, levels, note, left=1), Grid("", heads, gains, left=1)]


def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, default=ROOT / "runs" / "study" / "starts" / "report")
    given = parser.parse_args()
    for kind in ("scores", "differences"):
        shutil.copyfile(given.report / f"{kind}.csv", RESULTS / f"starts_{kind}.csv")
    shutil.copyfile(given.report / "dots.png", ROOT / "docs" / "results_starts.png")
    scores, differences = (scores_of(RESULTS / "starts_scores.csv"), differences_of(RESULTS / "starts_differences.csv"))
    for ending, author, above in (
        ("", "benchmarks/starts.py", "In per cent, mean ± standard deviation over three seeds; with all labels:"),
        (TENTH, "benchmarks/starts.py tenth", "The same with a tenth of the labels:"),
    ):
        page = PAGE.read_text(encoding="utf-8")
        write_text(PAGE, page_with(above, tables(scores, differences, ending), author, page, PAGE))


if __name__ == "__main__":
    main()
