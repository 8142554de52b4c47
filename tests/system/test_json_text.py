"""JSON for every reader: no NaN and no infinity in it."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path
from typing import NoReturn

from hypothesis import given
from hypothesis import strategies as st

from gmssl.system.json_text import json_text

PACKAGE = Path(__file__).parents[2] / "gmssl"
NO_DOCUMENTS = {
    "commands/common/pretrained.py",  # between two processes of one Python
    "corpus/plan.py",  # digests
    "downstream/cohort.py",
    "downstream/running.py",
    "evaluation/evaluating.py",
    "evaluation/references.py",
    "sweeping/reuse/facts.py",
    "sweeping/reuse/files.py",
    "system/json_text.py",
}

numbers = st.floats() | st.integers() | st.booleans() | st.none() | st.text()
values = st.recursive(numbers, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def refuse(word: str) -> NoReturn:
    raise AssertionError(f"{word} is no JSON")


def nulled(value: object) -> object:
    if isinstance(value, list):
        return [nulled(entry) for entry in value]
    if isinstance(value, dict):
        return {key: nulled(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(values)
def test_it_is_read_back_with_null_for_what_is_not_finite(value: object) -> None:
    assert json.loads(json_text(value), parse_constant=refuse) == nulled(value)


def test_finite_documents_are_those_of_python() -> None:
    document = {"é": [1e-05, 0.1, 3, True, None, "x"], "none": {}}
    assert json_text(document) == json.dumps(document, indent=2, ensure_ascii=False)
    assert json_text((1, math.inf), indent=None) == "[1, null]"


def test_documents_are_written_by_it() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("json.dump", "json.dumps")
    }
    assert found == NO_DOCUMENTS
