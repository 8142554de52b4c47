"""How near the optimum, and how long."""

from __future__ import annotations

from collections.abc import Mapping

from gmssl.explaining.markup import Html, figure, join, paragraph, table
from gmssl.explaining.pictures import Picture
from gmssl.explaining.report import Report
from gmssl.explaining.solver import REPEATS, Gap, Times
from gmssl.explaining.wording import number, percent


def solver_section(report: Report, pictures: Mapping[str, Picture]) -> Html:
    """Gap, proof, times."""
    solver = report.run.recipe.solver
    if solver.constant:
        return paragraph(f"Solver {solver.kind} copies the target: there is no gap, and no time worth telling.")
    pieces = [_gap(report, report.gap) if report.gap else _no_gap(report)]
    if "solver" in pictures:
        alt = "Gaps between energies and bounds, and milliseconds of the solves for each graph pair"
        pieces.append(figure(pictures["solver"], alt, "Left, where there is one: gap to the bound. Right: time."))
    if report.times:
        pieces.append(_times(report, report.times))
    return join(pieces)


def _gap(report: Report, gap: Gap) -> Html:
    whose = "the solver's own bound" if gap.own else f"a bound by {gap.source}"
    return join(
        (
            paragraph(
                f"{gap.graphs} graphs of the first pass, without noise and margin, against {whose} (in "
                f"{gap.seconds:.1f} s). A matching counts as proven if the bound reaches its energy within a millionth."
            ),
            table(
                ("number", "value"),
                [
                    ("proven optimal", percent(gap.proven / gap.graphs)),
                    ("mean gap, energy − bound", number(float(gap.gaps.mean()))),
                    ("mean relative gap", number(float(gap.relative.mean()))),
                    ("largest relative gap", number(float(gap.relative.max()))),
                ],
                "Distance to the optimum, at most",
            ),
        )
    )


def _no_gap(report: Report) -> Html:
    if report.relaxed:
        return paragraph(
            f"Solver {report.run.recipe.solver.kind} gives a relaxed solution from a formula, and no bound: there is "
            "no gap to prove."
        )
    return paragraph("No graph was bounded (--bounds 0).")


def _times(report: Report, times: Times) -> Html:
    threads = "1 thread" if times.threads == 1 else f"{times.threads} threads"
    rows: list[tuple[object, object]] = [
        ("solve without noise, ms a graph pair", number(times.noiseless)),
        (f"first solve, {times.samples} noisy sample(s), ms a graph pair", number(times.first)),
    ]
    if times.second is not None:
        rows.append(("second solve (backward pass), ms a graph pair", number(times.second)))
    if times.certified is not None:
        rows.append(("second solves skipped by a certificate", percent(times.certified)))
    if times.target_is_truth is not None:
        rows.append(("second solves whose answer is the truth", percent(times.target_is_truth)))
    if report.training:
        rows += [
            ("share of the training's time: first solve", percent(report.training.match)),
            ("share of the training's time: estimator's backward pass", percent(report.training.estimator)),
            ("images per second in training", number(report.training.images_per_second)),
        ]
    caption = (
        f"Medians of {REPEATS} on one batch of {times.graphs} graph pair(s), this machine's CPU, {threads}; shares of "
        "the training from timing.csv"
    )
    return table(("number", "value"), rows, caption)
