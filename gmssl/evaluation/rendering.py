"""A report as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gmssl.evaluation.report import Counts, Leaks, Report
from gmssl.evaluation.scores import CrossValidated, Score, Spread, Tested


def render(report: Report, console: Console) -> None:
    """Print what was compared, on which images, and the scores."""
    for line in _facts(report):
        console.print(Text(line))
    table = Table("features", "classifier", *_columns(report))
    for reference in report.references:
        for classifier, scores in (("kNN", reference.scores.knn), ("linear", reference.scores.linear)):
            table.add_row(reference.name, classifier, *_cells(scores))
        table.add_section()
    console.print(table)
    for reference in report.references:
        strengths = ", ".join(sorted({f"{s:g}" for s in reference.scores.strengths}))
        console.print(
            Text(
                f"{reference.name}: {reference.meaning}, {reference.channels} features; linear probe with C {strengths}"
            )
        )


def _facts(report: Report) -> list[str]:
    protocol = report.protocol
    if report.test is None or report.leaks is None:
        patients = "grouped by patient" if report.train.patients else "no patients named"
        head = f"{protocol.folds}-fold cross-validation ({patients}), mean ± standard deviation over folds"
        lines = [head, f"images: {_describe(report.train)}"]
    else:
        left = ", ".join(f"{name} {count}" for name, count in report.leaks.left.items())
        lines = [
            "fitted to the training images, scored on the test images, with 95 % Wilson intervals",
            f"train: {_describe(report.train)}",
            f"test: {_describe(report.test)}",
            f"de-leaked: {_leaks(report.leaks)} and removed; left: {left}",
        ]
        if report.leaks.patients:
            lines.append(f"{report.leaks.patients} patients stand in both sets; their images are not removed")
    return [*lines, f"{report.image_size} px, kNN with k = {protocol.neighbours}, seed {protocol.seed}"]


def _leaks(leaks: Leaks) -> str:
    identical = f"{leaks.removed - leaks.audited} test images are pixel-identical to training images"
    return f"{identical}, {leaks.audited} more are leaks by the audit" if leaks.audited else identical


def _describe(counts: Counts) -> str:
    classes = ", ".join(f"{name} {count}" for name, count in counts.classes.items())
    facts = {
        "patients": counts.patients,
        "unlabelled": counts.unlabelled,
        "unreadable": counts.unreadable,
        "pixel-identical copies": counts.duplicates,
        "with contradictory labels": counts.contradictory,
        "excluded": counts.excluded,
    }
    notes = "".join(f"; {count} {what}" for what, count in facts.items() if count)
    return f"{counts.used} of {counts.listed} used ({classes}){notes}"


def _columns(report: Report) -> list[str]:
    if report.test is None:
        return ["accuracy", "balanced", "AUROC"]
    return ["official", "balanced", "AUROC", "de-leaked", "balanced", "AUROC"]


def _cells(scores: CrossValidated | Tested) -> list[str]:
    if isinstance(scores, CrossValidated):
        return [_spread(scores.accuracy), _spread(scores.balanced), _spread(scores.auroc)]
    return [*_score(scores.official), *_score(scores.without_leaks)]


def _spread(spread: Spread | None) -> str:
    return "–" if spread is None else f"{100 * spread.mean:.1f} ± {100 * spread.deviation:.1f}"


def _score(score: Score | None) -> list[str]:
    if score is None:
        return ["no image", "–", "–"]
    low, high = score.interval
    return [
        f"{100 * score.accuracy:.1f} [{100 * low:.1f}, {100 * high:.1f}] of {score.images}",
        f"{100 * score.balanced:.1f}",
        "–" if score.auroc is None else f"{100 * score.auroc:.1f}",
    ]
