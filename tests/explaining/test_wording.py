"""Numbers and settings as the page writes them."""

from __future__ import annotations

import pytest

from gmssl.explaining.accuracy import Share
from gmssl.explaining.page.facts import short_form
from gmssl.explaining.page.wording import counted, interval, number, percent, signed, whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"scale": [0.2, 1.0], "channels": 1}, "{scale: [0.2, 1.0], channels: 1}"),
        ({"on": True, "off": False, "no": None, "zero": 0}, "{on: true, off: false, no: none, zero: 0}"),
        ({"noise": {"kind": "gumbel", "temperature": 0}}, "{noise: {kind: gumbel, temperature: 0}}"),
    ],
)
def test_settings_are_written_as_in_recipes(value: object, text: str) -> None:
    assert short_form(value) == text


def test_numbers() -> None:
    assert percent(0.125) == "12.5 %"
    assert percent(float("nan")) == number(float("nan")) == "–"
    assert signed(-0.25) == "−0.250"
    assert signed(0.25) == "+0.250"
    assert interval(Share(0.5, 0.25, 0.75, 8, 2)) == "[25.0, 75.0] %"
    assert interval(Share(0.5, float("nan"), float("nan"), 8, 1)) == "–"
    assert [counted(n, "match") for n in (1, 2, 1234)] == ["1 match", "2 matches", "1\u202f234 matches"]
    assert whole(31_168) == "31\u202f168"
    assert counted(2, "graph") == "2 graphs"
