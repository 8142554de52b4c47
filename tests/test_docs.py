"""What the documentation tells readers to type works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

import gmssl
from gmssl.commands.program import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def commands() -> list[str]:
    texts = [text for page in PAGES for text in blocks(page, "bash")]
    texts += [p.read_text(encoding="utf-8") for p in sorted((ROOT / "recipes").glob("*.yaml"))]
    lines = [line.removeprefix("# One device:").strip() for text in texts for line in text.splitlines()]
    return sorted({line for line in lines if line.startswith("gmssl ")})


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    context = command.make_context("gmssl", list(words), resilient_parsing=True)
    while hasattr(command, "get_command"):
        if words[0].startswith("-"):  # an option of the program itself
            assert any(words[0] in option.opts for option in command.params), f"no option {words[0]}"
            return
        name, *words = words
        inner = command.get_command(context, name)
        assert inner is not None, f"no command {name}"
        command, context = inner, context
    command.make_context(name, words)  # raises UsageError for an unknown option or a missing argument


def test_there_are_commands() -> None:
    assert len(commands()) > 8


def test_matching_alone_runs() -> None:
    code = next(block for block in blocks(ROOT / "docs" / "quickstart.md", "python") if "Problem.build" in block)
    names: dict = {}
    exec(code, names)
    solution, torch = names["solution"], names["torch"]
    torch.testing.assert_close(names["gmssl"].energy(names["problem"].costs, solution.matching), solution.energy)


def test_solver_examples_run_and_say_what_they_say() -> None:
    names: dict = {}
    for code in (block for block in blocks(ROOT / "docs" / "solvers.md", "python") if "import torch" in block):
        exec(code, names)
        if "partially" in code:
            said = [float(x.replace("−", "-")) for x in re.findall(r"#\s+(−?[\d.]+?)[:;]", code)]
            found = [names["gmssl"].solve(p, names["lap"]).energy.item() for p in _by_unmatched_cost(names["problem"])]
            assert said == found
    assert names["certified"].bound <= names["certified"].energy


def _by_unmatched_cost(problem: gmssl.Problem) -> list[gmssl.Problem]:
    return [problem, problem.partially(), problem.partially(1.0)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages(page: Path) -> None:
    """Also of the README, which the documentation build does not read."""
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
    assert not re.search(r"\b(TODO|TBD|FIXME)\b", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    for name in re.findall(r"`((?:gmssl|recipes|docs|tests|plugins)/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name
