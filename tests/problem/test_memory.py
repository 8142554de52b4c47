"""What no machine holds is refused by its size, before anything else takes its time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import gmssl
from gmssl.errors import FormatError, ProblemError
from gmssl.problem.formats import from_networkx, read, to_lawler, write_dat
from gmssl.problem.memory import refuse_without_room
from gmssl.system.machine import available_memory


def dense(n: int, edges: bool) -> gmssl.Problem:
    """n×n vertex costs, and a complete left graph if it has `edges`; the right graph has one."""
    left = torch.cartesian_prod(torch.arange(n), torch.arange(n)) if edges else torch.tensor([[0, 1]])
    left = left[left[:, 0] != left[:, 1]]
    return gmssl.Problem.build(torch.rand(1, n, n), left[None], torch.tensor([[[0, 1]]]), torch.zeros(1, len(left), 1))


@pytest.mark.parametrize("solver", ["lagrange", "exact", "robust_tabu"])
def test_solvers_refuse_a_thousand_vertices(solver):
    problem = dense(1000, edges=solver == "robust_tabu")
    with pytest.raises(ProblemError, match=r"1000.* need \d{4}\.\d GiB of memory, and \d+\.\d GiB are available; use"):
        gmssl.solve(problem, gmssl.part("solver", solver))


def test_a_bound_on_pairs_that_are_adjacent_needs_room_for_them_alone():
    problem = dense(1000, edges=True)
    with pytest.raises(ProblemError, match="of which 499500 pairs are relaxed"):
        gmssl.solve(problem, gmssl.part("solver", "lagrange", pairs="adjacent"))


@pytest.mark.parametrize("kind", ["sm", "rrwm", "ipfp"])
def test_baselines_refuse_a_matrix_of_all_pairs_of_pairs(kind):
    pytest.importorskip("pygmtools")
    with pytest.raises(ProblemError, match=r"1000000×1000000 entries .* need 7450\.6 GiB"):
        gmssl.solve(dense(1000, edges=False), gmssl.part("solver", kind))


def test_lawler_s_matrix():
    with pytest.raises(ProblemError, match=r"1000000×1000000 entries of Lawler's matrix need 3725\.3 GiB"):
        to_lawler(dense(1000, edges=False))


def test_files_and_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gmssl.problem.memory.available_memory", lambda: 2**29)
    write_dat(tmp_path / "x.dat", torch.ones(101, 101), torch.ones(101, 101))
    with pytest.raises(FormatError, match=r"x\.dat: .*10100×10100 edge pairs need 0\.8 GiB .* 0\.5 GiB are available"):
        read(tmp_path / "x.dat")
    nx = pytest.importorskip("networkx")
    graph = nx.complete_graph(101, nx.DiGraph)
    with pytest.raises(ProblemError, match=r"10100×10100 edge pairs need"):
        from_networkx(graph, graph, lambda *_: 0.0, pytest.fail)


@pytest.mark.parametrize("available", [None, 2**40])
def test_what_fits_or_cannot_be_told_is_not_refused(monkeypatch: pytest.MonkeyPatch, available: int | None):
    monkeypatch.setattr("gmssl.problem.memory.available_memory", lambda: available)
    refuse_without_room(2**40, "tables", "use less")
    if available:
        with pytest.raises(ProblemError, match=r"tables need 1024\.0 GiB of memory, and 1024\.0 GiB are available"):
            refuse_without_room(2**40 + 1, "tables", "use less")


def test_available_memory_is_what_the_system_tells(monkeypatch: pytest.MonkeyPatch):
    told = {"/proc/meminfo": "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\n"}
    monkeypatch.setattr("gmssl.system.machine._text", lambda path: told.get(path, ""))
    assert available_memory() == 2**21
    told["/sys/fs/cgroup/memory.max"] = "max\n"
    assert available_memory() == 2**21
    told["/sys/fs/cgroup/memory.max"] = "1048576\n"
    assert available_memory() == 2**20, "a container may have less than the machine"
    told.clear()
    assert available_memory() is None
