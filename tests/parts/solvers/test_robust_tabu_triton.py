"""The CUDA kernels of robust tabu search give the bits of the CPU's: on a GPU, interpreted, and compiled without one.

The interpreted part alone: `TRITON_INTERPRET=1 python tests/parts/solvers/test_robust_tabu_triton.py check_walks`.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import types
from importlib.util import find_spec

import numpy as np
import pytest
import torch

import gmssl
from gmssl.errors import ProblemError
from gmssl.parts.solvers.assignment.lap_numba import assign
from gmssl.parts.solvers.kernels.fold_torch import tabulate
from gmssl.parts.solvers.kernels.random_torch import scatter_seed, shuffle
from gmssl.parts.solvers.tabu import robust_tabu
from gmssl.problem import completed
from gmssl.testing.strategies import knn_problem

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels run for real in other tests")


def tabu(**settings):
    return gmssl.part("solver", "robust_tabu", **settings)


def random_problem(graphs, n, m, edges, masked=False, integers=False, seed=0):
    """Edges are drawn with replacement: duplicates, both directions, self-loops. Small integers bring ties."""
    random = torch.Generator().manual_seed(seed)
    left = torch.randint(0, n, (graphs, edges, 2), generator=random)
    right = torch.randint(0, m, (graphs, edges, 2), generator=random)
    vertex = torch.randn(graphs, n, m, generator=random)
    edge = torch.randn(graphs, edges, edges, generator=random)
    if integers:
        vertex, edge = vertex.round(), edge.round()
    allowed = torch.ones(graphs, n, m, dtype=torch.bool)
    if masked:
        allowed = torch.rand(graphs, n, m, generator=random) < 0.6
        allowed |= torch.eye(n, m, dtype=torch.bool)  # feasible
    return gmssl.Problem.build(vertex, left, right, edge, allowed=allowed)


def on(device, problem):
    topology, costs = problem.topology, problem.costs
    moved = (x.to(device) for x in (costs.vertex, topology.left, topology.right, costs.edge, topology.allowed))
    return gmssl.Problem.build(*moved)


def expect_the_same(device, problem, **settings):
    """Columns and `agreed` on a device against those of the CPU; also which dummy an unmatched row gets."""
    solver = tabu(**settings)
    expected, found = solver._compiled(problem), solver.search_in_triton(on(device, problem))
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.cpu(), other), (settings, problem.costs.vertex.shape)


def unmatchable_among_others():
    problem = random_problem(3, 4, 4, 6)
    problem.topology.allowed[1, :2, 1:] = False  # two rows want column 0
    return problem


if find_spec("triton") is not None:
    import triton
    import triton.language as tl

    from gmssl.parts.solvers.assignment.match_triton import FORBIDDEN, match

    @triton.jit
    def match_kernel(cost, n, owner, possible, WIDTH: tl.constexpr):
        graph, k = tl.program_id(0), tl.arange(0, WIDTH)
        inside = (k < n)[:, None] & (k < n)[None, :]
        cells = cost + graph * n * n + k[:, None] * n + k[None, :]
        found, exists = match(tl.load(cells, mask=inside, other=FORBIDDEN), n, WIDTH)
        tl.store(owner + graph * n + k, found, mask=k < n)
        tl.store(possible + graph, exists)


def expect_the_same_assignments(device, n, seeds):
    """`match_triton` against `assignment_numba` on integers with many ties, of which some are forbidden."""
    costs = np.empty((len(seeds), n, n))
    for cost, seed in zip(costs, seeds, strict=True):
        random = np.random.default_rng(seed)
        cost[:] = random.integers(0, 4, (n, n))
        cost[random.random((n, n)) < random.random() * 0.3] = np.inf
    given = np.where(np.isinf(costs), 2**31 - 1, costs).astype(np.int32)
    owner, possible = (torch.zeros(shape, dtype=torch.int32, device=device) for shape in ((len(seeds), n), len(seeds)))
    match_kernel[(len(seeds),)](
        torch.from_numpy(given).to(device), n, owner, possible, WIDTH=16, num_warps=1, enable_fp_fusion=False
    )
    columns = np.empty(n, np.int64)
    for g, cost in enumerate(costs):
        assert bool(possible[g]) == assign(cost, columns)
        if possible[g]:
            assert owner[g].tolist() == np.argsort(columns).tolist()


def expect_the_same_tables(device, problem):
    """`fold_triton` against `fold_torch`, which has other numbers for the entries."""
    from gmssl.parts.solvers.kernels import fold_triton

    n, m = problem.costs.vertex.shape[1:]
    states, rename = shuffle(scatter_seed(7, problem.costs.vertex), n)
    seeds, renames = shuffle(states, m)
    expected, found = tabulate(problem, rename, renames), fold_triton.tabulate(on(device, problem), 7)
    assert torch.equal(found.seeds.cpu(), seeds)
    assert torch.equal(found.olds[:, 0].cpu(), rename.argsort(1))
    assert torch.equal(found.olds[:, 1, :m].cpu(), renames.argsort(1))
    assert torch.equal(found.single[:, :, :n].cpu(), expected.single)
    assert torch.equal(found.banned.cpu(), expected.banned)
    assert torch.equal(found.masked.cpu(), expected.banned.flatten(1).any(1))
    entry = found.entry.cpu()
    listed = (expected.neighbour < n).nonzero()
    assert int((entry >= 0).sum()) == len(listed)
    for g, i, slot in listed.tolist():
        number = entry[g, i, expected.neighbour[g, i, slot]]
        assert torch.equal(found.pairs[g, number, :, :n].cpu(), expected.pairs[g, i, slot])


def decided_last(setting, **settings):
    """A problem solved better with `setting` than with one less of it: all that happens before the last one matters."""
    shape, few = settings.pop("shape"), {setting: settings[setting] - 1}
    for seed in itertools.count():
        problem = random_problem(1, *shape, seed=seed)
        more, less = (gmssl.solve(problem, tabu(**settings | change)).energy for change in ({}, few))
        if more < less:
            return problem


def check_form():
    """Everything once, in few swaps."""
    expect_the_same_tables("cpu", random_problem(2, 5, 4, 7, masked=True))
    expect_the_same("cpu", random_problem(2, 3, 5, 5, integers=True), starts=3, iterations=4, agree=2)
    expect_the_same("cpu", random_problem(1, 1, 1, 0), starts=1, iterations=1)
    expect_the_same("cpu", unmatchable_among_others(), starts=2, iterations=3, agree=2)
    for n, m in ((3, 5), (5, 3)):
        expect_the_same("cpu", random_problem(0, n, m, 5), starts=2, iterations=3)  # no instance at all
    for n, m in ((4, 4), (3, 5)):  # blanks and dummies, which count as one each
        expect_the_same("cpu", completed(random_problem(1, n, m, 5)), starts=2, iterations=16)
    expect_the_same("cpu", random_problem(1, 7, 3, 8, integers=True), starts=1, iterations=16)  # dummies alone
    # Where stopping at ties, and prices lowered along a path, decide.
    expect_the_same_assignments("cpu", 8, (2265, 2976, 20, 45))


def check_walks():
    """Long walks, where all choices up to the last one matter."""
    for shape, iterations in (((10, 10, 25, False, True), 18), ((8, 6, 10, True, True), 12)):
        one = {"starts": 1, "iterations": iterations}
        expect_the_same("cpu", decided_last("iterations", shape=shape, **one), **one)
    # Decided by each tenure: other results if all are greater by one.
    for seed in (7, 73):
        expect_the_same("cpu", random_problem(1, 6, 6, 10, seed=seed), starts=1, iterations=16)
    recombined = {"starts": 4, "iterations": 1}
    expect_the_same("cpu", decided_last("starts", shape=(24, 24, 30), **recombined), **recombined)


@needs_triton
@without_cuda
@pytest.mark.parametrize("check", ["check_form", pytest.param("check_walks", marks=pytest.mark.slow)])
def test_interpreted(check):
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, __file__, check], env=environment, capture_output=True, text=True)
    if "only 0-dimensional arrays can be converted" in done.stderr:
        pytest.skip("this release of Triton's interpreter is older than this numpy")
    assert done.returncode == 0, done.stderr[-3000:]


@needs_triton
@without_cuda
@pytest.mark.parametrize(("n", "starts"), [(16, 5), (32, 4)])
def test_compiles_for_a_gpu(monkeypatch, n, starts):
    # The interpreter knows no types; the compiler needs no GPU. All is done but the launches.
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    from gmssl.parts.solvers.tabu.search_triton import search

    pretended = types.SimpleNamespace(
        get_current_device=lambda: 0,
        get_current_stream=lambda device: 0,
        get_current_target=lambda: GPUTarget("cuda", 90, 32),
    )
    compiled = {}

    def launcher(kernel, grid):
        def launch(*args, **options):
            compiled[kernel.__name__] = kernel.run(*args, grid=grid, warmup=True, **options)

        return launch

    monkeypatch.setattr(driver, "_active", pretended)
    monkeypatch.setattr(JITFunction, "__getitem__", launcher)
    search(knn_problem(2, n), starts, 50, 4, 0)
    assert set(compiled) == {"_name", "_fold", "begin", "_search", "answer"}
    for name, kernel in compiled.items():
        assert len(kernel.asm["cubin"]) > 0
        assert "st.local" not in kernel.asm["ptx"], f"the state of {name} was to stay in registers"


@needs_triton
@needs_cuda
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize(
    ("n", "m"),
    [(1, 1), (2, 2), (3, 1), (5, 5), (8, 8), (9, 4), (4, 9), (16, 16), (17, 17), (32, 32), (30, 10), (64, 64)],
)
def test_on_cuda(n, m, integers, masked):
    problem = random_problem(12, n, m, 3 * max(n, m), masked, integers, seed=n)
    for starts, agree in ((1, None), (7, 2), (12, 4)):
        expect_the_same("cuda", problem, starts=starts, iterations=40, agree=agree, seed=starts)


@needs_triton
@needs_cuda
@pytest.mark.parametrize(("n", "noise"), itertools.product((10, 16, 32), (0.5, 1.0)))
def test_on_cuda_instances_of_training(n, noise):
    expect_the_same("cuda", knn_problem(300, n, noise=noise), starts=12)


@needs_triton
@needs_cuda
def test_on_cuda_solutions_and_reference():
    problem = random_problem(40, 16, 16, 48)
    here, there = gmssl.solve(problem, tabu()), gmssl.solve(on("cuda", problem), tabu())
    assert there.matching.vertex.is_cuda
    assert torch.equal(there.matching.vertex.cpu(), here.matching.vertex)
    assert torch.equal(there.matching.edge.cpu(), here.matching.edge)
    torch.testing.assert_close(there.energy.cpu(), here.energy)
    for one, other in zip(tabu().search_in_torch(on("cuda", problem)), tabu()._compiled(problem), strict=True):
        assert torch.equal(one.cpu(), other)


@needs_triton
@needs_cuda
@pytest.mark.parametrize(("n", "m"), [(3, 2), (9, 9), (16, 16), (33, 20)])
def test_on_cuda_tables(n, m):
    for masked in (False, True):
        expect_the_same_tables("cuda", random_problem(10, n, m, 150, masked))


@needs_triton
@needs_cuda
@pytest.mark.parametrize("iterations", [10, 50, 200])
def test_on_cuda_late_decisions(iterations):
    for n, m in ((16, 16), (12, 7), (24, 24)):
        one = {"starts": 1, "iterations": iterations}
        expect_the_same("cuda", decided_last("iterations", shape=(n, m, 3 * n), **one), **one)
        many = {"starts": 9, "iterations": iterations, "agree": None}
        expect_the_same("cuda", decided_last("starts", shape=(n, m, 3 * n), **many), **many)


@needs_triton
@needs_cuda
def test_on_cuda_unmatchable():
    problem = unmatchable_among_others()
    expect_the_same("cuda", problem, starts=3)
    with pytest.raises(ProblemError, match="instance 1"):
        gmssl.solve(on("cuda", problem), tabu())


@needs_triton
@needs_cuda
def test_on_cuda_no_instance_at_all():
    expect_the_same("cuda", random_problem(0, 16, 12, 40))


@needs_triton
@needs_cuda
def test_on_cuda_in_parts(monkeypatch):
    from gmssl.parts.solvers.tabu import search_triton as robust_tabu_triton

    monkeypatch.setattr(robust_tabu_triton, "MEMORY", 100_000)
    expect_the_same("cuda", random_problem(50, 12, 12, 30))


@needs_triton
@needs_cuda
def test_on_cuda_assignments():
    for n in range(2, 17):
        expect_the_same_assignments("cuda", n, range(400))


@needs_triton
@needs_cuda
def test_on_cuda_nothing_waits():
    problem, solver = on("cuda", random_problem(20, 16, 16, 40)), tabu()
    here = solver.search_in_triton(problem)  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = solver.search_in_triton(problem)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(here[0], there[0])


@needs_cuda
@pytest.mark.parametrize("n", [12, 70])
def test_on_cuda_without_the_kernel(monkeypatch, n):
    if n == 12:
        monkeypatch.setattr(robust_tabu, "find_spec", lambda name: None)
    problem = random_problem(2, n, n, 20)
    here, there = (gmssl.solve(p, tabu(starts=2, iterations=10)) for p in (problem, on("cuda", problem)))
    assert torch.equal(there.matching.vertex.cpu(), here.matching.vertex)


if __name__ == "__main__":
    {"check_form": check_form, "check_walks": check_walks}[sys.argv[1]]()
