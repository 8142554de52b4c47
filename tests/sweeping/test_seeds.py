"""`--seeds`: how many, or which ones; a slip is one message."""

from __future__ import annotations

import pytest

from gmssl.errors import RecipeError
from gmssl.sweeping.seeds import read_seeds

GOOD = [
    ("3", (0, 1, 2)),
    ("1000", tuple(range(1000))),
    ("4-9", (4, 5, 6, 7, 8, 9)),
    ("3,7,11", (3, 7, 11)),
    ("0-2,7", (0, 1, 2, 7)),
    ("7-7", (7,)),
    (" 11, 3 - 4 ", (11, 3, 4)),
]


@pytest.mark.parametrize(("text", "seeds"), GOOD)
def test_seeds_are_counted_or_named(text: str, seeds: tuple[int, ...]) -> None:
    assert read_seeds(text) == seeds


WRONG = [
    ("", "is no number and no range"),
    ("two", "'two' is no number and no range"),
    ("3,", "'' is no number"),
    ("-3", "'-3' is no number"),
    ("1.5", "'1.5' is no number"),
    ("²", "is no number"),
    ("1-2-3", "is no number and no range"),
    ("0", "are 0 seeds; 1 to 1000 are taken"),
    ("1001", "are 1001 seeds"),
    ("0-99999999999999", "are 100000000000000 seeds"),
    ("9-4", "the range 9-4 ends before it starts"),
    ("3,1-4", "the seed 3 stands twice"),
    ("4294967296,1", "the seed 4294967296 is above 4294967295"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_slip_is_one_message(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_seeds(text)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
