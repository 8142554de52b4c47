"""Entry points, first-party and third-party, sound and broken."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import gmssl
from gmssl.errors import PluginError, RecipeError
from gmssl.interfaces.part import Part
from gmssl.interfaces.registry import GROUPS, describe, find, kinds, misspelt, part, resolve, source
from gmssl.recipe.recipe import load_recipe

ROOT = Path(__file__).parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
FIRST_PARTY = [(slot, kind) for slot, group in GROUPS.items() for kind in DECLARED.get(group, {})]

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_registry: None) -> Install:
    """Puts a package with entry points on sys.path, as pip would: `install(code, group, {kind: class})`."""
    number = 0

    def write(code: str, group: str, points: dict[str, str], name: str = "fake") -> str:
        nonlocal number
        number += 1
        folder = name.replace("-", "_")
        module = f"{folder}_plugin_{number}"
        site = tmp_path / f"site{number}"
        info = site / f"{folder}-1.{number}.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(code, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.{number}\n", encoding="utf-8")
        lines = [f"{kind} = {module}:{target}" for kind, target in points.items()]
        (info / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setitem(sys.modules, module, None)  # restored, hence forgotten, after the test
        del sys.modules[module]
        return module

    return write


SOLVER = """
from typing import ClassVar
from pydantic import Field
from gmssl.interfaces.solver import Solver
from gmssl.problem import energy, lift, vertex_matching
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution

class Shifted(Solver):
    '''Row i goes to column i + by.'''
    kind: ClassVar[str] = "shifted"
    uses_edges: ClassVar[bool] = True
    by: int = Field(1, ge=0)

    def solve(self, problem: Problem) -> Solution:
        graphs, n, m = problem.costs.vertex.shape
        columns = ((torch.arange(n) + self.by) % m).expand(graphs, n)
        matching = lift(vertex_matching(columns, m, problem.costs.vertex.dtype), problem.topology)
        return Solution(matching, energy(problem.costs, matching), None, torch.zeros(graphs, dtype=torch.bool))
"""


SUBCLASS = """
from gmssl.parts.solvers.tabu.robust_tabu import RobustTabu
class X(RobustTabu):
    kind = "fake"
"""
LOOSE = SOLVER.replace('"shifted"', '"fake"').replace("    uses_edges", "    model_config = dict({})\n    uses_edges")


@pytest.mark.parametrize(("slot", "kind"), FIRST_PARTY)
def test_first_party_parts_load_and_agree_with_their_entry_points(slot: str, kind: str) -> None:
    loaded = find(slot, kind)
    assert issubclass(loaded, Part)
    assert (loaded.slot, loaded.kind) == (slot, kind)
    assert loaded.__doc__, "a part says what it does and where it comes from"
    assert loaded.model_config["extra"] == "forbid"
    assert loaded.model_config["frozen"]
    assert source(slot, kind) == f"gmssl {gmssl.__version__}"


def test_concrete_parts_are_not_subclassed() -> None:
    classes = {find(*name) for name in FIRST_PARTY}
    assert not [(a, b) for a in classes for b in classes if a is not b and issubclass(a, b)]


@pytest.mark.parametrize(("slot", "kind"), FIRST_PARTY)
def test_a_part_without_required_settings_survives_a_round_trip(slot: str, kind: str) -> None:
    if any(field.is_required() for field in find(slot, kind).model_fields.values()):
        with pytest.raises(RecipeError, match="is missing"):
            part(slot, kind)
        return
    built = part(slot, kind)
    assert resolve(slot, kind) == built
    assert resolve(slot, built.model_dump(mode="json")) == built
    assert part(slot, kind) == built
    with pytest.raises(RecipeError, match="unknown key"):
        part(slot, kind, no_such_setting=1)


def test_the_installed_groups_are_the_declared_ones() -> None:
    assert {group for group in DECLARED if group.startswith("gmssl.")} <= set(GROUPS.values())
    for slot, group in GROUPS.items():
        assert set(kinds(slot)) >= set(DECLARED.get(group, {})), "reinstall gmssl: its entry points changed"


def test_part_takes_settings() -> None:
    solver = part("solver", "robust_tabu", starts=3, iterations=7)
    assert (solver.starts, solver.iterations) == (3, 7)
    with pytest.raises(RecipeError, match=r"robust_tabu.*starts"):
        part("solver", "robust_tabu", starts="many")


@pytest.mark.parametrize("slot", ["solvers", "", "Solver"])
def test_unknown_slot(slot: str) -> None:
    with pytest.raises(RecipeError, match=r"unknown slot .*use one of affinity, .*views"):
        part(slot, "lap")


def test_unknown_kind_names_the_nearest_all_and_the_group() -> None:
    with pytest.raises(RecipeError) as caught:
        part("solver", "exhaustiv")
    for piece in ("'exhaustiv'", "did you mean 'exhaustive'?", "lap", "robust_tabu", "gmssl.solvers"):
        assert piece in str(caught.value)


def test_a_plugin_works_like_a_part_of_the_house(install: Install, settings_of_a_recipe: dict) -> None:
    torch = pytest.importorskip("torch")
    install(SOLVER, "gmssl.solvers", {"shifted": "Shifted"}, name="gmssl-shift")
    assert "shifted" in kinds("solver")
    assert source("solver", "shifted") == "gmssl-shift 1.1"
    recipe = load_recipe({**settings_of_a_recipe, "solver": {"kind": "shifted", "by": 2}})
    assert recipe.solver.by == 2
    none = torch.zeros(1, 0, 2, dtype=torch.int64)
    problem = gmssl.Problem.build(torch.arange(9.0).view(1, 3, 3), none, none, torch.zeros(1, 0, 0))
    assert float(gmssl.solve(problem, part("solver", "shifted")).energy) == 1 + 5 + 6


def test_a_plugin_is_not_imported_before_it_is_named(install: Install, settings_of_a_recipe: dict) -> None:
    module = install("raise RuntimeError('broken on purpose')", "gmssl.solvers", {"broken": "Broken"})
    assert "broken" in kinds("solver")
    load_recipe(settings_of_a_recipe)  # does not name it, does not meet it
    assert module not in sys.modules
    with pytest.raises(RecipeError, match=r"broken.*does not import: RuntimeError: broken on purpose.*reinstall"):
        load_recipe({**settings_of_a_recipe, "solver": "broken"})


def test_a_broken_plugin_does_not_spoil_the_message_of_another_fault(
    install: Install, settings_of_a_recipe: dict
) -> None:
    install("1 / 0", "gmssl.solvers", {"broken": "Broken"})
    with pytest.raises(RecipeError, match="zero gradients everywhere"):
        load_recipe({**settings_of_a_recipe, "estimator": "exact"})


@pytest.mark.parametrize(
    ("code", "target", "message"),
    [
        ("import no_such_package_at_all", "X", "does not import: ModuleNotFoundError"),
        ("x = 1", "X", "does not import: AttributeError"),
        ("class X: pass", "X", "no subclass of gmssl.interfaces.part.Part"),
        ("def X(): pass", "X", "no subclass of gmssl.interfaces.part.Part"),
        (SOLVER.replace('"shifted"', '"other"'), "Shifted", "declares slot 'solver' and kind 'other'"),
        ("from gmssl.interfaces.part import Part\nclass X(Part): pass", "X", "declares slot None and kind None"),
        (
            "from gmssl.interfaces.solver import Solver\nclass X(Solver):\n    kind = 'fake'",
            "X",
            "does not implement solve",
        ),
        ("import sys\nsys.exit(3)", "X", "does not import: SystemExit: 3"),
        ("raise GeneratorExit('gone')", "X", "does not import: GeneratorExit: gone"),
        (
            SUBCLASS,
            "X",
            r"subclass of the concrete part RobustTabu \('robust_tabu'\); derive it from the solver interface",
        ),
        (LOOSE.format("extra='allow'"), "Shifted", "changes extra in its model_config"),
        (LOOSE.format("frozen=False"), "Shifted", "changes frozen in its model_config"),
        (LOOSE.format("allow_inf_nan=True"), "Shifted", "changes allow_inf_nan in its model_config"),
    ],
    ids=[
        "import",
        "name",
        "no part",
        "function",
        "kind",
        "no slot",
        "abstract",
        "exit",
        "base exception",
        "subclass",
        "extra",
        "mutable",
        "infinite",
    ],
)
def test_broken_plugins(install: Install, code: str, target: str, message: str) -> None:
    install(code.replace("kind = ", "kind: 'typing.ClassVar[str]' = "), "gmssl.solvers", {"fake": target})
    with pytest.raises(PluginError, match=message):
        find("solver", "fake")


def test_ctrl_c_is_no_fault_of_a_plugin(install: Install) -> None:
    install("raise KeyboardInterrupt", "gmssl.solvers", {"fake": "X"})
    with pytest.raises(KeyboardInterrupt):
        find("solver", "fake")


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("gmssl.solver", "did you mean 'gmssl.solvers'?"),
        ("gmssl_solvers", "did you mean 'gmssl.solvers'?"),
        ("GMSSL.Losses", "did you mean 'gmssl.losses'?"),
        ("gmssl.q", "groups are gmssl.affinities, gmssl.balances"),
    ],
)
def test_a_misspelt_group_is_told(install: Install, group: str, told: str) -> None:
    install(SOLVER, group, {"shifted": "Shifted"}, name="gmssl-shift")
    (sentence,) = misspelt()
    assert sentence.startswith(f"gmssl-shift offers shifted in the entry-point group {group!r}")
    assert told in sentence


def test_groups_of_others_are_not_told(install: Install) -> None:
    install(SOLVER, "gmsslike.solver", {"shifted": "Shifted"}, name="other")
    assert misspelt() == []


def test_two_packages_with_one_kind(install: Install) -> None:
    install(SOLVER, "gmssl.solvers", {"shifted": "Shifted"}, name="one")
    install(SOLVER, "gmssl.solvers", {"shifted": "Shifted"}, name="two")
    with pytest.raises(PluginError, match=r"offered more than once: .*one.*two.*Uninstall or rename"):
        find("solver", "shifted")


def test_a_plugin_cannot_take_the_name_of_a_shipped_kind(install: Install) -> None:
    install(SOLVER, "gmssl.solvers", {"lap": "Shifted"})
    with pytest.raises(PluginError, match="'lap' is offered more than once"):
        find("solver", "lap")


def test_describe_keeps_huge_values_short() -> None:
    from pydantic import ValidationError

    from gmssl.recipe.recipe import TrainSettings

    with pytest.raises(ValidationError) as caught:
        TrainSettings.model_validate({"epochs": ["x" * 10_000] * 1000, "batch": 10**6000})
    assert len(describe(caught.value)) < 500
