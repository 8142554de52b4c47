"""Settings of a part that is given by default may be changed one by one; its kind and its other settings stay."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from pydantic import Field, ValidationError

import gmssl
from gmssl.errors import RecipeError
from gmssl.interfaces.estimator import Noise
from gmssl.interfaces.part import Part
from gmssl.interfaces.registry import GROUPS, describe, field_of, find, kinds, part
from gmssl.recipe.recipe import load_recipe

NESTED = [
    (slot, kind, name, default)
    for slot in GROUPS
    for kind in kinds(slot)
    for name, field in find(slot, kind).model_fields.items()
    if isinstance(default := field.get_default(call_default_factory=True), Part)
]


def another(value: Any) -> Any:
    """A value of the same type that is valid wherever parts are nested by default."""
    if isinstance(value, float):
        return value + 0.25  # a percentile of 99.5, too
    return value + 1 if isinstance(value, int) else value


def test_there_are_nested_parts() -> None:
    assert {("exact", "polish"), ("lagrange", "polish"), ("imle", "noise")} <= {
        (kind, name) for _, kind, name, _ in NESTED
    }


@pytest.mark.parametrize(("slot", "kind", "name", "default"), NESTED)
def test_one_setting_of_a_default_part_is_changed(slot: str, kind: str, name: str, default: Part) -> None:
    assert getattr(part(slot, kind, **{name: {}}), name) == default
    for setting in type(default).model_fields:
        value = another(getattr(default, setting))
        changed = getattr(part(slot, kind, **{name: {setting: value}}), name)
        assert changed == default.model_copy(update={setting: value})
        assert type(changed) is type(default)
    with pytest.raises(RecipeError, match=rf"{name}\.no_such: unknown key"):
        part(slot, kind, **{name: {"no_such": 1}})


class Silent(Noise):
    """Noise whose settings are all that matters here."""

    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        return torch.zeros_like(like)


class Inner(Silent):
    kind: ClassVar[str] = "inner"
    deep: field_of(Noise) = Field(default_factory=lambda: part("noise", "gumbel", temperature=3.0))
    other: int = 1
    third: int = 2


class Outer(Silent):
    kind: ClassVar[str] = "outer"
    inner: field_of(Noise) = Field(
        default_factory=lambda: Inner(deep=part("noise", "gaussian", temperature=7.0), other=5)
    )
    maybe: field_of(Noise) | None = None


def outer(**settings: Any) -> Outer:
    return Outer.model_validate(settings)


@pytest.fixture(autouse=True)
def _inner_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = find

    def with_inner(slot: str, kind: str) -> type[Part]:
        return Inner if kind == "inner" else installed(slot, kind)

    monkeypatch.setattr("gmssl.interfaces.registry.find", with_inner)


def test_settings_of_the_default_stay_at_any_depth() -> None:
    found = outer(inner={"third": 9}).inner
    assert (found.other, found.third, found.deep) == (5, 9, part("noise", "gaussian", temperature=7.0))
    found = outer(inner={"deep": {"temperature": 2.0}}).inner
    assert (found.other, found.deep) == (5, part("noise", "gaussian", temperature=2.0))


def test_another_kind_begins_with_its_own_settings() -> None:
    assert outer(inner={"deep": {"kind": "gumbel"}}).inner.deep == part("noise", "gumbel")
    assert outer(inner={"deep": "gaussian"}).inner.deep == part("noise", "gaussian")


def test_what_has_no_default_needs_a_kind() -> None:
    with pytest.raises(ValidationError) as caught:
        outer(maybe={"temperature": 1.0})
    assert "maybe: `kind` is missing; add one of gaussian, gumbel, none, sum_of_gamma" in describe(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("lap", r"polish: solver kind 'lap' does not fit here; use robust_tabu\."),
        ({"kind": "lap"}, r"polish: solver kind 'lap' does not fit here; use robust_tabu\."),
        (3, r"polish: give the name of a kind or a mapping with `kind`, not 3; .* are robust_tabu\."),
        ({"start": 3}, r"polish\.start: unknown key \(did you mean 'starts'\?\)"),
    ],
)
def test_what_is_told_to_exist_fits(given: object, message: str) -> None:
    """A part that must be of one class is not told to be of a kind that is refused then."""
    with pytest.raises(RecipeError, match=message):
        gmssl.part("solver", "exact", polish=given)


@pytest.mark.parametrize(
    ("solver", "override", "polish"),
    [
        ("exact", "solver.polish.starts=64", {"starts": 64}),
        ({"kind": "lagrange", "polish": "robust_tabu"}, "solver.polish.iterations=3", {"iterations": 3}),
        ({"kind": "lagrange", "polish": {"starts": 7}}, "solver.polish.iterations=3", {"starts": 7, "iterations": 3}),
        ({"kind": "exact", "polish": None}, "solver.polish.starts=3", {"starts": 3}),
    ],
)
def test_recipes_and_set(settings_of_a_recipe: dict, solver: object, override: str, polish: dict) -> None:
    recipe = load_recipe({**settings_of_a_recipe, "solver": solver}, [override])
    assert recipe.solver.polish == part("solver", "robust_tabu", **polish)
    assert load_recipe(recipe.model_dump(mode="json")) == recipe


class Listing(Silent):
    kind: ClassVar[str] = "listing"
    many: tuple[field_of(Noise), ...] = Field(
        default_factory=lambda: (Inner(other=5), part("noise", "gumbel", temperature=3.0))
    )
    sizes: tuple[int, ...] = (8, 16)


def test_settings_of_a_part_in_a_default_list_are_changed_one_by_one() -> None:
    default = Listing()
    assert Listing.model_validate({"many": {"0": {"third": 9}}}).many == (Inner(other=5, third=9), default.many[1])
    assert Listing.model_validate({"many": {"1": "none"}}).many == (default.many[0], part("noise", "none"))
    assert Listing.model_validate({"many": {"1": {"kind": "gumbel"}}}).many[1] == part("noise", "gumbel")
    assert Listing.model_validate({"sizes": {"1": 3}}).sizes == (8, 3)
    with pytest.raises(ValidationError, match=r"2 is no place in the default, a list of 2; use 0\.\.1, or set"):
        Listing.model_validate({"many": {"2": {"third": 9}}})
    with pytest.raises(ValidationError) as caught:
        Listing.model_validate({"many": {"0": {"thrid": 9}}})
    assert "many.0.thrid: unknown key" in describe(caught.value)


@pytest.mark.parametrize("override", ["loggers.0=mlflow", "loggers.0.kind=mlflow"])
def test_a_default_logger_is_changed(settings_of_a_recipe: dict, override: str) -> None:
    settings = {key: value for key, value in settings_of_a_recipe.items() if key != "loggers"}
    assert load_recipe(settings, [override]).loggers == (part("logger", "mlflow"),)
    assert load_recipe(settings, ["loggers.0={}"]).loggers == (part("logger", "tensorboard"),)
    with pytest.raises(RecipeError, match=r"loggers\.0\.x: unknown key"):
        load_recipe(settings, ["loggers.0.x=3"])
