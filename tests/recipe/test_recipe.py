"""Recipes: whatever is loaded, the answer is a recipe or one RecipeError that names place and remedy."""

from __future__ import annotations

import copy
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmssl.errors import RecipeError
from gmssl.objective.settings import MatchingSettings
from gmssl.recipe.recipe import Recipe, load_recipe, read_recipe

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


def changed(node: Any, path: tuple, value: Any) -> Any:
    """A copy with one value replaced."""
    node = copy.deepcopy(node)
    place = node
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return node


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


def test_a_missing_recipe_names_the_recipes_there() -> None:
    with pytest.raises(RecipeError, match=r"recipes there: .*quickstart\.yaml"):
        load_recipe(Path(__file__).parents[2] / "recipes" / "quickstrt.yaml")


# One fault, one message: (path, value, what the message must hold).
FAULTS = [
    (("sede",), 1, ["sede", "unknown key (did you mean 'seed'?)", "protocol, data, balance, views", "correct"]),
    (("train", "epoch"), 1, ["train.epoch", "unknown key", "'epochs'", "epochs, batch"]),
    (("solver",), {"kind": "robust_tabu", "start": 3}, ["solver.start", "unknown key", "starts, iterations"]),
    (("train", "epochs"), "many", ["train.epochs", "integer", "'many'"]),
    (("train", "epochs"), 0, ["train.epochs", "greater than or equal to 1"]),
    (("margin",), float("nan"), ["margin", "finite"]),
    (("margin",), float("inf"), ["margin", "finite"]),
    (("seed",), -1, ["seed", "greater than or equal to 0"]),
    (("seed",), True, ["seed", "True is no number"]),
    (("train", "clip"), True, ["train.clip", "True is no number"]),
    (("estimator", "strength"), True, ["estimator.strength", "True is no number"]),
    (("solver",), "robust_tabo", ["solver", "did you mean 'robust_tabu'?", "lap", "gmssl.solvers"]),
    (("solver",), 3, ["solver", "not 3", "lap"]),
    (("solver",), {"starts": 3}, ["solver", "`kind` is missing", "robust_tabu"]),
    (("estimator", "noise"), "gumble", ["estimator.noise", "did you mean 'gumbel'?", "gaussian"]),
    (("estimator",), "exact", ["'exact'", "zero gradients everywhere", "imle", "row_softmax"]),
    (("solver",), "lap", ["affinity.edge", "'lap' does not read edge costs", "robust_tabu"]),
    (("graph",), "edgeless", ["affinity.edge", "'edgeless' has none", "knn"]),
    (("affinity", "vertex"), ["cosine_of_differences"], ["affinity", "vertex.0", "scores edge", "affinity.edge"]),
    (("affinity", "edge"), ["cosine"], ["affinity", "edge.0", "scores vertex", "affinity.vertex"]),
    (("affinity", "vertex"), [], ["affinity.vertex", "at least 1"]),
    (("affinity", "vertex"), "cosine", ["affinity.vertex", "a list is needed", "'cosine'"]),
    (("projector",), {"kind": "mlp", "widths": [0]}, ["projector.widths.0", "greater than or equal to 1"]),
    (("train",), 3, ["train", "a mapping of names to values is needed"]),
    (("vertices", "per_graph"), 16, ["per_graph", "16", "8 image", "train.batch"]),
    (("train", "devices"), 3, ["train", "batch 8 does not divide", "use 6 or 9"]),
    (("train", "devices"), 99, ["train", "batch 8 does not divide", "× 1; use 99"]),
    (("train", "nodes"), 2, ["train", "devices 1 do not divide by nodes 2"]),
    (("affinity",), {"vertex": ["nearest_patches"]}, ["no affinity reads the node embeddings", "cosine"]),
    (("predictor",), {"kind": "mlp", "widths": [64, 16]}, ["gives 16 channels", "32", "predictor.widths"]),
    (("data",), {"kind": "phantoms", "number": 99999999999}, ["data.number", "less than or equal to 2000000"]),
    (("data",), {"kind": "phantoms", "max_unreadable": -1}, ["data.max_unreadable", "greater than or equal to 0"]),
    (("probe",), {"data": "phantoms", "every": 0}, ["probe.every"]),
    (("views",), {"kind": "multi_crop", "mean": [0.1, 0.2]}, ["views", "mean has 2 numbers"]),
]


@pytest.mark.parametrize(
    ("path", "value", "parts"), FAULTS, ids=lambda x: ".".join(x) if isinstance(x, tuple) else None
)
def test_each_fault_is_one_clear_message(settings_of_a_recipe: dict, path: tuple, value: Any, parts: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(changed(settings_of_a_recipe, path, value))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("key", ["data", "solver", "affinity", "optimiser"])
def test_a_missing_part_is_named(settings_of_a_recipe: dict, key: str) -> None:
    del settings_of_a_recipe[key]
    with pytest.raises(RecipeError, match=rf"{key}: is missing; add it"):
        load_recipe(settings_of_a_recipe)


def test_all_faults_come_at_once(settings_of_a_recipe: dict) -> None:
    settings_of_a_recipe |= {"solver": "tabu", "loss": "haming", "sede": 1}
    with pytest.raises(RecipeError) as caught:
        load_recipe(settings_of_a_recipe)
    for place in ("solver:", "loss:", "sede:"):
        assert place in str(caught.value)


@pytest.mark.parametrize("text", ["seed: 1\nseed: 2", "train: {batch: 1, batch: 2}"])
def test_a_key_that_stands_twice(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="stands twice"):
        load_recipe(path)


def test_the_file_is_named_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 1", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"mine\.yaml"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("train.epochs=7", lambda r: r.train.epochs, 7),
        ("optimiser.kind=adam", lambda r: r.optimiser.kind, "adam"),
        ("solver.starts=3", lambda r: r.solver.starts, 3),  # the recipe gives the bare name
        ("affinity.vertex.0.weight=0.5", lambda r: r.affinity.vertex[0].weight, 0.5),
        ("probe.data=phantoms", lambda r: r.probe.data.kind, "phantoms"),  # the recipe has no probe
        ("train.precision = bfloat16", lambda r: r.train.precision, "bfloat16"),
        ("affinity.edge=[]", lambda r: r.affinity.edge, ()),
        ("margin=2e-3", lambda r: r.margin, 0.002),  # YAML 1.1 reads 2e-3 as text
    ],
)
def test_overrides(settings_of_a_recipe: dict, override: str, read: Any, value: Any) -> None:
    assert read(load_recipe(settings_of_a_recipe, [override])) == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "path=value"),
        ("=3", "path=value"),
        ("train..epochs=3", "path=value"),
        ("affinity.vertex.5.weight=1", r"use 0\.\.0"),
        ("affinity.vertex.99999999999999999999.weight=1", r"use 0\.\.0"),
        ("probe.data.x=1", "probe.data.kind|`kind` is missing"),
        ("train.epochs.more=1", "single value 2"),
        ("train.epochs=[", "no valid YAML"),
        ("train={batch: 8, batch: 16}", "no valid YAML"),
        ("train.epochs=", "train.epochs"),
    ],
)
def test_wrong_overrides(settings_of_a_recipe: dict, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(settings_of_a_recipe, [override])


def test_dump_and_load_agree(settings_of_a_recipe: dict, tmp_path: Path) -> None:
    recipe = load_recipe(settings_of_a_recipe)
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.dump(), encoding="utf-8")
    assert load_recipe(path) == recipe
    assert load_recipe(path).dump() == recipe.dump()


def test_dump_writes_every_default(settings_of_a_recipe: dict) -> None:
    dumped = yaml.safe_load(load_recipe(settings_of_a_recipe).dump())
    assert set(dumped) == set(Recipe.model_fields)
    assert dumped["solver"]["kind"] == "robust_tabu"
    assert dumped["estimator"]["noise"] == {"kind": "gumbel", "temperature": 0.3}
    assert dumped["train"]["log_every"] == Recipe.model_validate(settings_of_a_recipe).train.log_every


def test_parts_may_be_instances(settings_of_a_recipe: dict) -> None:
    import gmssl

    solver = gmssl.part("solver", "robust_tabu", starts=3)
    assert load_recipe({**settings_of_a_recipe, "solver": solver}).solver == solver
    with pytest.raises(RecipeError, match=r"the solver part .* stands where a part of the slot loss is needed"):
        load_recipe({**settings_of_a_recipe, "loss": solver})


def test_shipped_recipes_round_trip(shipped_recipe: str, tmp_path: Path) -> None:
    recipe = load_recipe(shipped_recipe)
    path = tmp_path / "again.yaml"
    path.write_text(recipe.dump(), encoding="utf-8")
    assert load_recipe(path) == recipe


def test_the_four_recipes_are_there() -> None:
    shipped = {p.stem for p in (Path(__file__).parents[2] / "recipes").glob("*.yaml")}
    assert shipped >= {"lvm_med_r50", "lvm_med_vit_b", "brain_tumor_r18", "quickstart"}


def test_reading_does_not_check(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("anything: 1", encoding="utf-8")
    assert read_recipe(path) == {"anything": 1}


def test_recipes_are_frozen(settings_of_a_recipe: dict) -> None:
    from pydantic import ValidationError

    recipe = load_recipe(settings_of_a_recipe)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        recipe.solver.starts = 3


def test_predictors_are_as_wide_as_what_their_nodes_meet(settings_of_a_recipe: dict) -> None:
    narrow, wide = ({"kind": "mlp", "widths": [64, width]} for width in (16, 32))
    load_recipe({**settings_of_a_recipe, "predictor": wide})
    both = {"vertices": "both_views", "target": "swap", "affinity": {"vertex": ["cosine"]}, "solver": "lap"}
    recipe = {**settings_of_a_recipe, **both, "predictor": narrow}
    load_recipe(recipe)  # both sides are predicted
    with pytest.raises(RecipeError, match=r"gives 16 channels and projector 'mlp' 32"):
        load_recipe({**recipe, "message_passing": "gcn"})
    further = {key: settings_of_a_recipe[key] for key in MatchingSettings.model_fields if key in settings_of_a_recipe}
    with pytest.raises(RecipeError, match=r"further\.0: predictor 'mlp' gives 16 channels"):
        load_recipe({**settings_of_a_recipe, "further": [{**further, "predictor": narrow}]})


def test_views_and_encoder_agree_on_channels(settings_of_a_recipe: dict) -> None:
    settings_of_a_recipe["views"] = {"kind": "multi_crop", "std": [0.1, 0.2, 0.3]}
    load_recipe(settings_of_a_recipe)
    settings_of_a_recipe["encoder"]["in_channels"] = 1
    with pytest.raises(RecipeError, match=r"views\.std has 3 numbers, but images have 1 channel.*one a channel"):
        load_recipe(settings_of_a_recipe)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_read_once(tmp_path: Path, settings_of_a_recipe: dict[str, Any]) -> None:
    """As `cat recipe.yaml | gmssl check /dev/stdin` asks; what a pipe held is gone after it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(yaml.safe_dump(settings_of_a_recipe),), daemon=True)
    writer.start()
    assert load_recipe(pipe) == load_recipe(settings_of_a_recipe)
    writer.join(10)
    assert not writer.is_alive()
