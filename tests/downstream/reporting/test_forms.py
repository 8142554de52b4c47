"""Markdown, LaTeX and CSV say what the table says, whatever names hold."""

from __future__ import annotations

import csv
import io
import re

from hypothesis import given
from hypothesis import strategies as st

from gmssl.downstream.reporting.records import to_csv
from gmssl.downstream.reporting.table import BEST, SECOND, Cell, Table, cells, escaped, latex

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30)
_COMMANDS = {
    r"\textbackslash{}": "\\",
    r"\textasciicircum{}": "^",
    r"\textasciitilde{}": "~",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"$\pm$": "±",
    "$-$": "−",
    r"$\times$": "×",
    r"$\geq$": "≥",
    r"$\uparrow$": "↑",
    r"$\downarrow$": "↓",
    **{f"\\{sign}": sign for sign in "{}$&#%_"},
}
_TOKEN = re.compile("|".join(map(re.escape, _COMMANDS)))


@given(_TEXT)
def test_latex_prints_the_text(text: str) -> None:
    written = latex(text)
    left = _TOKEN.sub("", written)
    assert not re.search(r"[\\{}$&#%_^~<>|]", left), "a sign that LaTeX takes for its own"
    assert _TOKEN.sub(lambda found: _COMMANDS[found[0]], written).replace("--", "–") == text.replace("--", "–")


@given(_TEXT)
def test_markdown_prints_the_text_in_one_cell(text: str) -> None:
    written = escaped(text)
    assert re.sub(r"\\(.)", r"\1", written) == text
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", written)


def test_a_table_in_both_forms() -> None:
    rows = ((Cell("a_b"), Cell("83.05 ± 0.27", BEST)), (Cell("50 %"), Cell("−1.00", SECOND)), cells("c", "–"))
    table = Table("scores", "Scores & more", ("encoder", "x ↑"), rows, ("100 % honest",))
    tex = table.to_latex()
    assert r"a\_b & \textbf{83.05 $\pm$ 0.27} \\" in tex
    assert r"50 \% & \underline{$-$1.00} \\" in tex
    assert r"\caption{Scores \& more}" in tex
    assert [tex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert r"\begin{tabular}{lr}" in tex
    assert r"100 \% honest" in tex
    assert tex.count("{") - tex.count(r"\{") == tex.count("}") - tex.count(r"\}")
    lines = table.to_markdown().splitlines()
    assert "| a\\_b | **83.05 ± 0.27** |" in lines
    assert "| 50 % | <u>−1.00</u> |" in lines


_ENTRIES = st.fixed_dictionaries(
    {"name": _TEXT, "score": st.none() | st.floats(allow_nan=False), "seeds": st.integers(), "other": _TEXT}
)


@given(st.lists(_ENTRIES, min_size=1, max_size=5))
def test_csv_is_read_back_exactly(records: list[dict[str, object]]) -> None:
    read = list(csv.DictReader(io.StringIO(to_csv(records), newline="")))  # type: ignore[arg-type]
    back = [
        {
            "name": row["name"],
            "score": float(row["score"]) if row["score"] else None,
            "seeds": int(row["seeds"]),
            "other": row["other"],
        }
        for row in read
    ]
    assert back == records
