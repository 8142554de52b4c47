"""Everybody who can take part does; who cannot is named with the reason."""

from __future__ import annotations

import pytest
import torch

import gmssl
from gmssl.benchmarking.solvers import contestants as module
from gmssl.benchmarking.solvers.contestants import LONG, PEERS, PRESETS, Contestant, contestants, presets, size_class
from gmssl.errors import PluginError, RecipeError
from gmssl.interfaces.registry import find, kinds
from gmssl.testing.generators import paired_embeddings


@pytest.mark.parametrize("n", [4, 10, 16, 32, 40])
def test_every_installed_one_to_one_solver_takes_part(n: int) -> None:
    found, absent = contestants(n)
    one_to_one = {kind for kind in kinds("solver") if not find("solver", kind).differentiable}
    too_large = {kind for kind in one_to_one if not presets(kind, n)}
    assert {c.solver.kind for c in found} == one_to_one - too_large
    assert {a.kind for a in absent} == (set(PEERS) - one_to_one) | too_large
    assert len({c.label for c in found}) == len(found)
    reads = [c.solver.uses_edges for c in found]
    assert reads == sorted(reads), "the floor of all others comes first"


@pytest.mark.parametrize("kind", [kind for kind in PRESETS if kind in kinds("solver")])
def test_presets_are_settings_of_their_solver(kind: str) -> None:
    for n in LONG:
        for preset in presets(kind, n):
            assert gmssl.part("solver", kind, **preset.settings).kind == kind


def test_presets_by_size() -> None:
    assert [size_class(n) for n in (2, 10, 11, 16, 17, 32, 33)] == [10, 10, 16, 16, 32, 32, 32]
    assert [p.name for p in presets("robust_tabu", 12)] == ["12×50", "32×75, agree 6", "64×100, agree 12"]
    assert [p.name for p in presets("robust_tabu", 64)] == ["8×500", "64×500, agree 8"]
    (default,) = presets("a plugin's kind", 10)
    assert default.name == ""
    assert default.settings == {}


def test_a_missing_peer_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = [kind for kind in kinds("solver") if kind not in PEERS]
    monkeypatch.setattr(module, "kinds", lambda slot: installed)
    found, absent = contestants(10)
    assert [a.kind for a in absent] == list(PEERS)
    assert all(PEERS[a.kind] in a.reason and "pip install" in a.reason for a in absent)
    assert not {c.solver.kind for c in found} & set(PEERS)
    assert contestants(10, ["lap"])[1] == [], "nobody asked for it"
    assert contestants(10, ["libmgm"]) == ([], absent)


def test_a_broken_plugin_harms_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def finding(slot: str, kind: str) -> type:
        if kind == "lap":
            raise PluginError("lap is broken")
        return find(slot, kind)

    monkeypatch.setattr(module, "find", finding)
    found, absent = contestants(10)
    assert "lap is broken" in [a.reason for a in absent]
    assert "robust_tabu" in {c.solver.kind for c in found}
    with pytest.raises(PluginError, match="lap is broken"):
        contestants(10, ["lap"])


def test_wrong_kinds_are_refused() -> None:
    with pytest.raises(RecipeError, match="did you mean 'robust_tabu'"):
        contestants(10, ["robust_taboo"])
    with pytest.raises(RecipeError, match="relaxed"):
        contestants(10, ["row_softmax"])


def test_solvers_without_edges_get_none() -> None:
    problem = paired_embeddings(2, 6, noise=1.0, seed=1)
    lap = Contestant("lap", gmssl.part("solver", "lap"))
    assert lap.given(problem).costs.edge.numel() == 0
    assert torch.equal(lap.given(problem).costs.vertex, problem.costs.vertex)
    tabu = Contestant("tabu", gmssl.part("solver", "robust_tabu"))
    assert tabu.given(problem) is problem
    assert lap.solution(problem).energy.shape == (2,)
