"""Numbers as the page writes them, and why a section may be missing."""

from __future__ import annotations

import math

from gmssl.explaining.accuracy import Share
from gmssl.explaining.report import Report


def percent(value: float, digits: int = 1) -> str:
    """`12.5 %`; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def signed(value: float) -> str:
    """`+0.123` or `−0.123`."""
    return f"{value:+.3f}".replace("-", "−")


def number(value: float) -> str:
    """Four significant digits, with a true minus."""
    return "–" if math.isnan(value) else f"{value:.4g}".replace("-", "−")


def interval(share: Share) -> str:
    """`[10.1, 14.9] %`; a dash where it cannot be told."""
    return "–" if math.isnan(share.low) else f"[{100 * share.low:.1f}, {100 * share.high:.1f}] %"


def counted(count: int, noun: str) -> str:
    """`1 graph`, `2 graphs`, `2 matches`."""
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{ending}".replace(",", "\u202f")


def what_a_match_is(report: Report) -> list[str]:
    """Sentences on what the run's parts make a match, and a true one."""
    recipe = report.run.recipe
    vertices, solver = recipe.vertices.kind, recipe.solver.kind
    found = []
    if recipe.solver.constant:
        found.append(
            f"Solver {solver} copies the target and never looks at the costs; so {report.passes.judge.kind} answers "
            "here how well the trained costs would match."
        )
    elif report.relaxed:
        found.append(
            f"Solver {solver} is relaxed: each row chooses without regard to the others, and its largest entry counts "
            "as its match."
        )
    if report.learnt_truth:
        found.append(
            f"The right nodes of vertices {vertices} are learnt, and so is the target (the other view's choice); a "
            "match counts as true if both views choose the same node."
        )
    if not report.images_known:
        found.append(
            f"The nodes of vertices {vertices} are no single images, so that accuracy is counted over nodes and cannot "
            "be told by group."
        )
    return found


def why_no_pairs(report: Report) -> str:
    """Why no confused images are shown."""
    vertices = report.run.recipe.vertices.kind
    if report.blame.wrong == 0:
        return "There are none: every match is true."
    if not report.images_known:
        return f"There are none to show: the nodes of vertices {vertices} are no single images."
    if report.learnt_truth:
        return f"There are none to show: the right nodes of vertices {vertices} are learnt and no images."
    return (
        f"There are none to show: wrong partners of vertices {vertices} come from earlier batches, whose images are "
        "not kept."
    )


def why_no_blame(report: Report) -> str:
    """Why energies are not held against the truth."""
    return (
        f"There is no energy of a true matching to compare with: the target of vertices "
        f"{report.run.recipe.vertices.kind} is itself learnt."
    )
