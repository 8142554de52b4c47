"""The page: one HTML file without any request to anybody."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from gmssl.explaining.markup import Html, escaped, join, tag
from gmssl.explaining.pictures import Picture
from gmssl.explaining.report import Effort, Report
from gmssl.explaining.sections.causes import causes_section
from gmssl.explaining.sections.matches import accuracy_section, pairs_section
from gmssl.explaining.sections.run import curves_section, run_section
from gmssl.explaining.sections.solver import solver_section
from gmssl.explaining.style import CSS
from gmssl.explaining.wording import counted, number, percent

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Browsers fetch nothing and run nothing, whatever names of files hold."""


def to_html(report: Report, pictures: Mapping[str, Picture], command: str) -> str:
    """The whole document; the same report gives the same page, but for times.

    Args:
        report: of a run.
        pictures: as `draw_all` makes them.
        command: what makes the page again, see `command_of`.
    """
    sections = (
        ("run", "The run", run_section(report)),
        ("curves", "Learning curves", curves_section(report, pictures)),
        ("accuracy", "Match accuracy by group", accuracy_section(report, pictures)),
        ("pairs", "Most confused pairs", pairs_section(report, pictures)),
        ("causes", "Vertices or edges", causes_section(report, pictures)),
        ("solver", "Solver gap and time", solver_section(report, pictures)),
    )
    name = title(report)
    links = tag("nav", tag("ul", *(tag("li", tag("a", text, href=f"#{at}")) for at, text, _ in sections)),
                aria_label="Sections")  # fmt: skip
    body = (
        tag("header", tag("h1", name), tag("p", _subtitle(report), class_="soft"), links),
        tag("main", _tiles(report), *(tag("section", tag("h2", text, id=at), inner) for at, text, inner in sections)),
        tag("footer", tag("p", _footer(report, command))),
    )
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"{name} – gmssl explain"),
        tag("style", Html(CSS)),
    )
    return f"<!DOCTYPE html>\n{tag('html', tag('head', *head), tag('body', *body), lang='en')}\n"


def command_of(
    run: Path, effort: Effort, data: Path | None, group: str | None, graphs: int | None, out: Path | None
) -> str:
    """The command that makes the page again: options that are not at their defaults are in it."""
    usual = asdict(Effort())
    changed = {name: value for name, value in asdict(effort).items() if value != usual[name]}
    given = {"data": data, "group": group, "graphs": graphs, **changed, "out": out}
    words = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    return shlex.join(["gmssl", "explain", str(run), *words])


def title(report: Report) -> str:
    """The run's folder, and what it trained."""
    folder = report.run.folder.resolve()
    above = folder.parent.name
    return f"{above}/{folder.name}" if above else folder.name


def _subtitle(report: Report) -> str:
    recipe = report.run.recipe
    return (
        f"{recipe.vertices.kind} · graph {recipe.graph.kind} · solver {recipe.solver.kind} · estimator "
        f"{recipe.estimator.kind} · loss {recipe.loss.kind} · {counted(report.run.steps, 'step')}"
    )


def _tiles(report: Report) -> Html:
    overall, found = report.accuracies[0], report.blame
    tiles: list[tuple[str, str]] = [
        (percent(overall.noiseless.mean), f"match accuracy (chance {percent(overall.chance, 2)})"),
        (f"{found.wrong:,} of {found.matches:,}".replace(",", "\u202f"), "matches are wrong"),
    ]
    if report.has_edges:
        tiles.append((f"{found.mended} / {found.caused}", "wrong matches mended / caused by edges"))
    if report.gap:
        tiles.append(
            (percent(report.gap.proven / report.gap.graphs, 0), f"of {report.gap.graphs} matchings proven optimal")
        )
    if report.times:
        tiles.append((f"{number(report.times.noiseless)} ms", "solve of a graph pair"))
    return tag("ul", *(tag("li", tag("strong", value), tag("span", label)) for value, label in tiles), class_="tiles")


def _footer(report: Report, command: str) -> Html:
    return join(
        (
            escaped("Made by "),
            tag("code", command),
            escaped(f" in {report.seconds:.0f} s. Attribution and intervals: docs/explain.md of gmssl."),
        )
    )
