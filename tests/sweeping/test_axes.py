"""Values of a grid: YAML texts, split at the commas that stand in no quotes and no brackets."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gmssl.errors import RecipeError
from gmssl.sweeping.axes import Axis, read_axes, split_values

SPLIT = [
    ("lap,lagrange", ["lap", "lagrange"]),
    (" 1 , 2 ", ["1", "2"]),
    ("[0.2, 1.0],[0.4, 1.0]", ["[0.2, 1.0]", "[0.4, 1.0]"]),
    ("{kind: lap},{kind: robust_tabu, starts: 4}", ["{kind: lap}", "{kind: robust_tabu, starts: 4}"]),
    ("[{a: [1,2]},3],4", ["[{a: [1,2]},3]", "4"]),
    ("'a,b',\"c,d\"", ["'a,b'", '"c,d"']),
    ("'it''s, so',b", ["'it''s, so'", "b"]),
    ('"a\\",b",c', ['"a\\",b"', "c"]),
    ("it's,so", ["it's", "so"]),
    ("['a],b', c],d", ["['a],b', c]", "d"]),
    ("{k: 'a,b'},1", ["{k: 'a,b'}", "1"]),
    ("a[1],b", ["a[1]", "b"]),
    ("1,,2", ["1", "", "2"]),
]


@pytest.mark.parametrize(("text", "values"), SPLIT)
def test_split(text: str, values: list[str]) -> None:
    assert split_values(text, "x") == values


_SCALARS = st.one_of(
    st.integers(), st.booleans(), st.none(), st.text(st.characters(codec="ascii", exclude_categories=["C"]))
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
)


@given(st.lists(_VALUES, min_size=1, max_size=5))
@example(["0,"])
def test_any_values_written_as_flow_yaml_are_split_apart_again(values: list[object]) -> None:
    # Written as the only member of a list: alone, a text with a comma in it would need no quotes.
    texts = [yaml.safe_dump([value], default_flow_style=True, width=10**6).strip()[1:-1] for value in values]
    assert [yaml.safe_load(text) for text in split_values(",".join(texts), "x")] == values


def test_axes_keep_their_order() -> None:
    assert read_axes(["b=1,2", " a.0.c =x"]) == (Axis("b", ("1", "2")), Axis("a.0.c", ("x",)))


WRONG = [
    ([], "no --grid is given"),
    (["train.batch"], "not of the form path=v1,v2"),
    (["=1"], "not of the form path=v1,v2"),
    (["train..batch=1"], "not of the form path=v1,v2"),
    (["train.batch="], "has no values"),
    (["train.batch= "], "has no values"),
    (["train.batch=1,,2"], "value 2 of 3 is empty"),
    (["train.batch=1,"], "value 2 of 2 is empty"),
    (["train.batch=1,2,1"], "the value 1 stands twice"),
    (["margin=1.0,1.00"], "the value 1.0, again as 1.00, stands twice"),
    (["a=1", "b=2", "a=3"], "--grid a is given 2 times"),
    (["seed=1,2"], "with --seeds"),
    (["a=[1,2"], "a ] is missing"),
    (["a='1,2"], "the quote ' does not end"),
    (["a=*x"], "no valid YAML"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_grids(options: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_axes(options)
    assert message in str(caught.value)


def test_one_and_true_are_two_values() -> None:
    assert read_axes(["a=1,true"])[0].values == ("1", "true")
