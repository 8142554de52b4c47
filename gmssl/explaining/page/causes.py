"""What wrong matches are due to: which costs, or the solver."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.explaining.counting import Blame
from gmssl.explaining.report import Report


@dataclass(frozen=True)
class TermShare:
    """What a term of the affinity accounts for.

    Attributes:
        name: of the term.
        scores: `vertex` or `edge`.
        difference: mean energy difference of wrong matches to the truth.
    """

    name: str
    scores: str
    difference: float


@dataclass(frozen=True)
class Causes:
    """Energies against the truth.

    Attributes:
        counts: of matches and matchings.
        terms: in the order of the recipe.
        difference: the sum over all terms.
    """

    counts: Blame
    terms: tuple[TermShare, ...]
    difference: float


def causes_of(report: Report) -> Causes:
    """What the wrong matches of a report are due to."""
    means = report.blame.terms
    terms = (
        TermShare(name, "edge" if edge else "vertex", mean)
        for name, edge, mean in zip(report.terms, report.edge_terms.tolist(), means, strict=True)
    )
    return Causes(report.blame, tuple(terms), sum(means))
