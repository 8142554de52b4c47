"""What wrong matches are due to: which costs, or the solver."""

from __future__ import annotations

from collections.abc import Mapping

from gmssl.explaining.markup import Html, figure, join, paragraph, table
from gmssl.explaining.pictures import Picture
from gmssl.explaining.report import Report
from gmssl.explaining.wording import counted, percent, signed, why_no_blame


def causes_section(report: Report, pictures: Mapping[str, Picture]) -> Html:
    """Energies against the truth, by term, and with some of the costs alone."""
    if report.learnt_truth:
        return paragraph(why_no_blame(report))
    if not report.blame.wrong:
        return join((paragraph("Every match is true."), _alone(report, pictures)))
    return join((_costs_or_solver(report), _terms(report, pictures), _alone(report, pictures)))


def _costs_or_solver(report: Report) -> Html:
    found = report.blame
    if report.relaxed:
        return paragraph(
            f"{counted(found.wrong, 'match')} of {found.matches} are wrong. Rows choose their cheapest partner, so "
            "every wrong one is cheaper than the true one: the costs are to blame."
        )
    return paragraph(
        f"{counted(found.wrong_problems, 'matching')} of {found.problems} have a wrong match. "
        f"{percent(found.cheaper / found.wrong_problems)} of these have less energy than the true matching, or as "
        f"much: the costs are to blame. {percent(found.dearer / found.wrong_problems)} have more: the solver missed it."
    )


def _terms(report: Report, pictures: Mapping[str, Picture]) -> Html:
    found = report.blame
    rows = [
        (name, "edge" if edge else "vertex", signed(value))
        for name, edge, value in zip(report.terms, report.edge_terms.tolist(), found.terms, strict=True)
    ]
    intro = (
        "A wrong match of image i with a is charged its vertex cost minus that of i's true partner, and of each edge "
        "at i the difference that the wrong matching makes: all of it, or half if the edge's other end is matched "
        "wrongly, too. Over the wrong matches of a graph this sums exactly to its energy minus that of the truth, for "
        "each term."
        if report.has_edges
        else "A wrong match of image i with a is charged its vertex cost minus that of i's true partner, for each "
        "term. The run has no edge terms, so that nothing falls on edges."
    )
    words = "; ".join(f"{name} {value}" for name, _, value in rows)
    pieces = [
        paragraph(intro),
        figure(pictures["terms"], f"Mean energy difference of wrong matches by term: {words}",
               "What each term accounts for, mean over all wrong matches. Terms below 0 favour the wrong image."),
        table(("term", "scores", "mean difference"), [*rows, ("all terms", "", signed(sum(found.terms)))],
              "Energy difference by term, mean over wrong matches", 2),
    ]  # fmt: skip
    if "scatter" in pictures:
        caption = "Every wrong match by what vertex and edge terms account for; left of and below 0 they favour it."
        pieces.append(
            figure(pictures["scatter"], "Scatter plot of energy differences from vertices and edges", caption)
        )
    return join(pieces)


def _alone(report: Report, pictures: Mapping[str, Picture]) -> Html:
    if not report.has_edges:
        return Html("")
    found = report.blame
    wrong = max(found.wrong, 1)
    intro = (
        f"Solved again with vertex costs alone (exactly, by lap), edges mended {counted(found.mended, 'match')} and "
        f"caused {counted(found.caused, 'wrong match')}: accuracy goes from "
        f"{percent(found.vertices_alone / found.matches)} to {percent(1 - found.wrong / found.matches)}. With edge "
        f"costs alone it is {percent(found.edges_alone / found.matches)}."
    )
    rows = [
        (label, count, percent(count / wrong))
        for label, count in (
            ("true with vertex costs alone", found.right_by_vertices),
            ("true with edge costs alone", found.right_by_edges),
            ("true with one of them", found.right_by_either),
            ("wrong with either", found.right_by_none),
        )
    ]
    return join(
        (
            paragraph(intro),
            figure(pictures["edges"], f"Bar: edges mended {found.mended} and caused {found.caused} wrong matches of "
                   f"{found.matches}", "All matches, before and after edges join the vertices."),
            table(("a wrong match would be", "matches", "share"), rows, f"{found.wrong} wrong matches, solved again"),
        )
    )  # fmt: skip
