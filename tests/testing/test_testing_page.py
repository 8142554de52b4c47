"""docs/testing.md names every law, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gmssl.testing.laws import laws_of
from gmssl.testing.report_card import CONTRACTS

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("slot", CONTRACTS)
def test_every_law_is_named(slot):
    text = " ".join(PAGE.split())
    for name in laws_of(CONTRACTS[slot]):
        assert name.removeprefix("test_").replace("_", " ") in text, name


def test_examples_run():
    names: dict = {"__name__": "page"}
    for code in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(code, names)
    names["test_something"]()
    names["test_the_optimum_is_known"]()
    names["TestMine"]().test_matching_is_feasible()
