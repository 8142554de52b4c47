"""Values that `--set` gives."""

from __future__ import annotations

from typing import Any

import pytest

from gmssl.errors import RecipeError
from gmssl.recipe.recipe import load_recipe


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
