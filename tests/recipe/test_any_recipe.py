"""Whatever is loaded, the answer is a recipe or one RecipeError that names place and remedy."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmssl.errors import RecipeError
from gmssl.recipe.recipe import Recipe, load_recipe
from tests.recipe.changes import changed

# Each of the fuzzed functions is pure, so a fixture that is shared by all examples is fine.
shared_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.dates(),
    st.binary(max_size=4),
    st.sampled_from(
        ["lap", "imle", "exact", "cosine", "cosine_of_differences", "none", "images", "folder", "../..", ""]
    ),
)
keys = st.one_of(st.text(max_size=6), st.sampled_from([*Recipe.model_fields, "kind", "weight", "noise", "root"]))
nested = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(keys, st.integers()), inner, max_size=4)
    ),
    max_leaves=12,
)


REMEDIES = r"\b(add|correct|flatten|give|lower|make|move|quote|raise|remove|set|start|use|write|uninstall|repair)\b"


def loads_or_refuses(source: Any, overrides: list[str] = ()) -> Recipe | None:
    """The law of the loader: a recipe, or a RecipeError with a message one can print; anything else is a defect."""
    try:
        recipe = load_recipe(source, overrides)
    except RecipeError as error:
        message = str(error)
        assert message.strip()
        assert "Traceback" not in message
        assert len(message) < 50_000
        header, *faults = message.split("\n")
        for fault in faults or [header]:
            assert re.search(REMEDIES, fault, flags=re.IGNORECASE), f"no remedy: {fault}"
        return None
    assert isinstance(recipe, Recipe)
    return recipe


def places(node: Any, path: tuple = ()) -> list[tuple]:
    """Paths of all values in a nested mapping."""
    found = [path] if path else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return found + [place for key, value in items for place in places(value, (*path, key))]


@given(source=st.dictionaries(st.one_of(keys, st.integers()), nested, max_size=6))
def test_any_mapping(source: dict) -> None:
    loads_or_refuses(source)


@given(data=st.data(), value=nested)
@settings(shared_fixture, max_examples=150)
def test_a_recipe_with_one_value_changed(settings_of_a_recipe: dict, data: st.DataObject, value: Any) -> None:
    place = data.draw(st.sampled_from(places(settings_of_a_recipe)))
    loads_or_refuses(changed(settings_of_a_recipe, place, value))


@given(data=st.data(), key=keys, value=nested)
@settings(shared_fixture)
def test_a_recipe_with_one_key_more(settings_of_a_recipe: dict, data: st.DataObject, key: str, value: Any) -> None:
    mappings = [p for p in places(settings_of_a_recipe) if isinstance(at(settings_of_a_recipe, p), dict)]
    place = data.draw(st.sampled_from(mappings))
    loads_or_refuses(changed(settings_of_a_recipe, (*place, key), value))


def at(node: Any, path: tuple) -> Any:
    for key in path:
        node = node[key]
    return node


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))))
@settings(shared_fixture, max_examples=100)
def test_any_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    loads_or_refuses(path)


@given(position=st.integers(0, 2000), junk=st.text(alphabet="{}[]:,&*!|>'\"%@`#-? \n\t\x00ab1", max_size=4))
@settings(shared_fixture, max_examples=100)
def test_a_shipped_file_with_a_piece_of_junk(tmp_path: Path, position: int, junk: str) -> None:
    text = (Path(__file__).parents[2] / "recipes" / "quickstart.yaml").read_text(encoding="utf-8")
    position %= len(text)
    path = tmp_path / "recipe.yaml"
    path.write_text(text[:position] + junk + text[position:], encoding="utf-8")
    loads_or_refuses(path)


overrides = st.one_of(
    st.text(max_size=30),
    st.tuples(
        st.lists(st.one_of(keys, st.integers(-2, 12).map(str)), max_size=4).map(".".join), st.text(max_size=12)
    ).map("=".join),
)


@given(given_overrides=st.lists(overrides, max_size=3))
@settings(shared_fixture, max_examples=150)
def test_any_override(settings_of_a_recipe: dict, given_overrides: list[str]) -> None:
    before = copy.deepcopy(settings_of_a_recipe)
    loads_or_refuses(settings_of_a_recipe, given_overrides)
    assert settings_of_a_recipe == before


def deep(levels: int) -> Any:
    node: Any = 1
    for _ in range(levels):
        node = [node]
    return node


@pytest.mark.parametrize(
    "source",
    [
        {"data": deep(100_000)},
        {"seed": 10**6000},
        {"solver": {"kind": "lap", 1: 2}},
        {"data": deep(300), "seed": deep(900)},
        {1: 2},
        {},
    ],
    ids=["deep", "many digits", "key is a number", "nested", "only a number", "empty"],
)
def test_monsters(source: dict) -> None:
    assert loads_or_refuses(source) is None


@pytest.mark.parametrize(
    "text",
    [
        "seed: 0x" + "f" * 9000,
        "seed: " + "9" * 9000,
        "seed: &a [*a]",
        "a: &a {b: *a}\nsolver: *a",
        "solver: " + "[" * 20_000,
        "a: &a [x,x,x,x,x,x,x,x]\n"
        + "\n".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 8)}]" for i in range(12))
        + "\nsolver: *m",
        "seed: 2001-99-99",
        "!!python/object/apply:os.system ['true']",
        'seed: "\\ud800"',
        "? [a]\n: b",
    ],
    ids=["hex", "digits", "self", "self mapping", "brackets", "laughs", "date", "code", "surrogate", "list as key"],
)
def test_monstrous_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    assert loads_or_refuses(path) is None


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b", "", ".", "/", "no/such/folder/x.yaml"])
def test_wrong_paths(path: str) -> None:
    with pytest.raises(RecipeError):
        load_recipe(path)
