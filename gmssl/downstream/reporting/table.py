"""One table in the three forms that reports need: Markdown, LaTeX (booktabs), and cells for a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mark = Literal["", "best", "second"]
BEST: Mark = "best"
SECOND: Mark = "second"

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "\n": " ",
}
_SPECIAL = re.compile("|".join(map(re.escape, _LATEX)))
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~])")


@dataclass(frozen=True)
class Cell:
    """A text, and whether it is the best or the second of its column."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True)
class Table:
    """What a table shows.

    Attributes:
        name: of its files.
        title: above it.
        headings: of the columns.
        rows: as many cells each as there are headings.
        notes: below it, a sentence or more each.
        left: how many columns are flush left; the others hold numbers.
    """

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    left: int = 1

    def to_markdown(self) -> str:
        """A heading of level 3, the table, and its notes as a list."""
        rule = ["---" if place < self.left else "---:" for place in range(len(self.headings))]
        lines = [f"### {escaped(self.title)}", "", _line(map(escaped, self.headings)), _line(rule)]
        lines += [_line(map(_marked, row)) for row in self.rows]
        return "\n".join([*lines, "", *(f"- {escaped(note)}" for note in self.notes)]) + "\n"

    def to_latex(self) -> str:
        """A floating table for a document that uses the package booktabs, notes below it."""
        columns = "".join("l" if place < self.left else "r" for place in range(len(self.headings)))
        ends = r" \\"
        return "\n".join(
            [
                r"% \usepackage{booktabs}",
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{latex(self.title)}}}",
                rf"\label{{tab:{re.sub('[^A-Za-z0-9]+', '-', self.name)}}}",
                rf"\begin{{tabular}}{{{columns}}}",
                r"\toprule",
                " & ".join(map(latex, self.headings)) + ends,
                r"\midrule",
                *(" & ".join(map(_typeset, row)) + ends for row in self.rows),
                r"\bottomrule",
                r"\end{tabular}",
                *(rf"\par\footnotesize {latex(note)}" for note in self.notes),
                r"\end{table}",
                "",
            ]
        )


def latex(text: str) -> str:
    """Text as LaTeX prints it."""
    return _SPECIAL.sub(lambda found: _LATEX[found[0]], text)


def escaped(text: str) -> str:
    """Text as Markdown prints it."""
    return _MARKDOWN.sub(r"\\\1", text.replace("\n", " "))


def cells(*texts: str) -> tuple[Cell, ...]:
    """A row without marks."""
    return tuple(map(Cell, texts))


def _line(texts: Sequence[str] | map[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _marked(cell: Cell) -> str:
    text = escaped(cell.text)
    return f"**{text}**" if cell.mark == BEST else f"<u>{text}</u>" if cell.mark == SECOND else text


def _typeset(cell: Cell) -> str:
    text = latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.mark == BEST else rf"\underline{{{text}}}" if cell.mark == SECOND else text
