"""Time limits are kept and Ctrl-C is obeyed, however long a single step takes; what is returned then still holds."""

import signal
import subprocess
import sys
import time
from time import perf_counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gmssl
from gmssl.parts.solvers import outcome
from gmssl.parts.solvers.kernels.threads import stopping_after
from gmssl.parts.solvers.lagrange.ascent import climb
from gmssl.parts.solvers.lagrange.dual import Ascent
from gmssl.parts.solvers.outcome import energies, evaluated, paid_by_edges
from gmssl.parts.solvers.plain import ORDINARY, RANGE, _look, cheap_bound
from gmssl.parts.solvers.relabelling import turned
from gmssl.testing.strategies import problems

ROOM = 1.0  # seconds beyond a limit of half a second: twice that, as other work on the machine takes its share


def dense(n: int, seed: int = 0, graphs: int = 1) -> gmssl.Problem:
    """Complete graphs with edges in both directions and random costs, no products."""
    ends = (~torch.eye(n, dtype=torch.bool)).nonzero()[None].expand(graphs, -1, -1)
    generator = torch.Generator().manual_seed(seed)
    vertex = torch.rand(graphs, n, n, generator=generator)
    return gmssl.Problem.build(
        vertex, ends, ends, torch.rand(graphs, ends.shape[1], ends.shape[1], generator=generator)
    )


@given(problems(max_n=5))
def test_the_cheap_bound_is_one(problem):
    shorter = problem if problem.costs.vertex.shape[1] <= problem.costs.vertex.shape[2] else turned(problem)
    least = gmssl.solve(problem, "exhaustive").energy.double()
    slack = 1e-6 * least.abs()  # energies are returned in float32
    assert (cheap_bound(shorter) <= least + slack).all()


def test_the_cheap_bound_is_tight_where_constants_are_all():
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    vertex = torch.tensor([[[3.0, 5.0], [7.0, 9.0]]])
    problem = gmssl.Problem.build(vertex, none, none, torch.zeros(1, 0, 0))
    assert cheap_bound(problem).item() == pytest.approx(12, rel=1e-12)
    # Of two edges in a row on the same place, each pays the least cost that there is.
    edges = torch.tensor([[[0, 1], [0, 1]]])
    costs = torch.full((1, 2, 2), -2.0)
    assert cheap_bound(gmssl.Problem.build(vertex, edges, edges, costs)).item() == pytest.approx(12 - 8, rel=1e-12)


@pytest.mark.parametrize("graphs", [1, 3])
def test_an_ascent_without_time_returns_the_cheap_bound(graphs):
    problem = dense(8, graphs=graphs)
    stop = torch.ones(1, dtype=torch.long).numpy()
    columns = torch.arange(8).expand(graphs, -1)
    dual = climb(Ascent(100, 50, 0.0, True, 1, stop), problem, columns)
    assert torch.equal(dual.bound, cheap_bound(problem))
    assert not dual.excess.any()
    assert torch.equal(dual.columns, columns)


def test_lagrange_keeps_its_limit_between_evaluations():
    gmssl.solve(dense(4), gmssl.part("solver", "lagrange", iterations=1))  # compile
    problem = dense(24)
    solver = gmssl.part("solver", "lagrange", iterations=10**6, every=10**6, seconds=0.5, threads=1)
    begin = perf_counter()
    solution = gmssl.solve(problem, solver)
    assert perf_counter() - begin < 0.5 + ROOM
    assert solution.bound.isfinite().all()
    assert (solution.bound <= solution.energy).all()
    assert not solution.converged.any()


INTERRUPTED = """
import signal, torch, gmssl
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell runs the tests with &
from tests.parts.solvers.test_limits import dense
gmssl.solve(dense(4), gmssl.part("solver", {kind!r}))
problem = dense({n})
print("up", flush=True)
try:
    gmssl.solve(problem, gmssl.part("solver", {kind!r}, **{settings!r}))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def interrupted(kind: str, n: int, **settings: object) -> float:
    """Seconds from Ctrl-C to the end of a process in the middle of a solve that would take minutes."""
    code = INTERRUPTED.format(kind=kind, n=n, settings=settings)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            time.sleep(1.0)
            begin = perf_counter()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            return perf_counter() - begin
        finally:
            process.kill()


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_an_ascent(threads):
    assert interrupted("lagrange", 30, iterations=10**6, every=10**6, threads=threads) < 2


# Nearly nothing, so that the ascent meets the limit.
QUICK = {"kind": "robust_tabu", "starts": 1, "iterations": 0}


@pytest.mark.parametrize(("n", "graphs"), [(30, 1), (20, 2)])
def test_exact_keeps_its_limit_in_every_part_of_the_search(n, graphs):
    """At 30 vertices the time is up within the root, at 20 among the children of a node."""
    gmssl.solve(dense(4), "exact")  # compile
    problem = dense(n, graphs=graphs)
    begin = perf_counter()
    solution = gmssl.solve(problem, {"kind": "exact", "seconds": 1.0, "iterations": 20, "threads": 1, "polish": QUICK})
    assert perf_counter() - begin < graphs * 1.0 + ROOM
    assert solution.bound.isfinite().all()
    assert (solution.bound <= solution.energy).all()
    assert not solution.converged.any()


def test_exact_without_any_time_returns_a_matching_and_the_cheap_bound(monkeypatch):
    """The time is over before the search for a matching begins; a timer could let some of it through."""
    from gmssl.parts.solvers.exact import exact

    monkeypatch.setattr(exact, "stopping_after", lambda seconds, outer=None: stopping_after(0))
    problem = dense(9)
    stopped = gmssl.solve(problem, {"kind": "exact", "seconds": 1})
    assert (stopped.matching.vertex.sum((1, 2)) == 9).all()
    assert torch.equal(stopped.energy, gmssl.problem.energy(problem.costs, stopped.matching))
    assert stopped.bound.item() == pytest.approx(cheap_bound(problem).item(), rel=1e-6)
    assert stopped.bound <= stopped.energy
    assert not stopped.converged.any()


def test_a_search_that_is_stopped_gives_each_instance_a_matching():
    problem, solver = dense(6, graphs=3), gmssl.part("solver", "robust_tabu")
    stopped = solver.until(torch.ones(1, dtype=torch.long).numpy()).solve(problem)
    assert (stopped.matching.vertex.sum((1, 2)) == 6).all()
    assert not stopped.agreed.any()
    # A flag that is never raised changes nothing, and the solver itself has none.
    going = solver.until(torch.zeros(1, dtype=torch.long).numpy()).solve(problem)
    assert torch.equal(going.matching.vertex, solver.solve(problem).matching.vertex)
    assert solver == gmssl.part("solver", "robust_tabu")


def test_the_search_for_a_matching_counts_as_time():
    endless = {"kind": "robust_tabu", "starts": 1, "iterations": 10**9}
    problem = dense(12)
    for kind in ("lagrange", "exact"):
        begin = perf_counter()
        solution = gmssl.solve(problem, {"kind": kind, "seconds": 0.5, "polish": endless})
        assert 0.5 <= perf_counter() - begin < 0.5 + ROOM
        assert solution.bound.isfinite().all()


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_tabu_search(threads):
    assert interrupted("robust_tabu", 12, starts=2, iterations=10**9, threads=threads) < 2


@pytest.mark.parametrize("kind", ["lagrange", "exact"])
def test_a_search_with_a_limit_of_its_own_obeys_that_of_its_solver(kind):
    problem, polish = dense(12), {"kind": "robust_tabu", "seconds": 60}
    gmssl.solve(problem, {"kind": "robust_tabu", "seconds": 0.1})  # compile
    begin = perf_counter()
    solution = gmssl.solve(problem, {"kind": kind, "seconds": 0.5, "polish": polish})
    assert perf_counter() - begin < 0.5 + ROOM
    assert not solution.converged.any()


def test_a_search_under_a_flag_ends_with_it_whatever_seconds_it_has():
    gmssl.solve(dense(6), {"kind": "robust_tabu", "seconds": 0.1})  # compile
    solver, stop = gmssl.part("solver", "robust_tabu", seconds=60), torch.ones(1, dtype=torch.long).numpy()
    begin = perf_counter()
    stopped = solver.until(stop).solve(dense(6, graphs=3))
    assert perf_counter() - begin < ROOM
    assert (stopped.matching.vertex.sum((1, 2)) == 6).all()


def test_nothing_agrees_where_the_flag_ended_the_search_in_plain_costs():
    """A constant on all vertices hides the other costs, and the flag comes between the first search and the next."""
    problem = dense(6)
    costs = gmssl.Costs(problem.costs.vertex.double() + 1e12, problem.costs.edge.double())
    hidden, solver = problem.with_costs(costs), gmssl.part("solver", "robust_tabu")
    columns, agreed = torch.arange(6)[None], torch.ones(1, dtype=torch.bool)
    stop = torch.ones(1, dtype=torch.long).numpy()
    assert not solver.until(stop)._in_plain_costs(hidden, columns, agreed).agreed.any()
    assert solver.until(stop)._in_plain_costs(problem, columns, agreed).agreed.all()


def test_the_batched_search_ends_with_its_flag():
    problem, solver = dense(6, graphs=2), gmssl.part("solver", "robust_tabu", iterations=10**9, starts=3)
    ended = solver.until(torch.ones(1, dtype=torch.long).numpy())
    ended.search_in_torch(problem)  # compile
    begin = perf_counter()
    columns, agreed = ended.search_in_torch(problem)
    assert perf_counter() - begin < ROOM
    assert (columns.sort(1).values == torch.arange(6)).all()
    assert not agreed.any()


@given(problems(max_n=5), st.integers(-40, 40))
def test_energies_without_a_matching_are_those_with_one(problem, exponent):
    scaled = problem.with_costs(problem.costs.scale(2.0**exponent))
    columns = gmssl.part("solver", "robust_tabu").choose(scaled).columns
    assert torch.equal(energies(scaled, columns), evaluated(scaled, columns)[1])
    magnitudes = scaled.with_costs(scaled.costs.map(torch.Tensor.abs))
    assert torch.equal(energies(scaled, columns, magnitudes=True), evaluated(magnitudes, columns)[1])
    paid = paid_by_edges(scaled, columns, torch.full((len(columns),), 2.0, dtype=torch.float64))
    matched = evaluated(scaled, columns)[0].edge
    torch.testing.assert_close(paid, 2 * (scaled.costs.edge * matched).double().sum(2), rtol=1e-12, atol=0)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        (2, 3, 4),
        elements=st.floats(-(2.0**99), 2.0**99, width=32),
    )
)
def test_one_look_finds_the_extremes_of_each_edge(edge):
    vertex = np.zeros((2, 1, 1), edge.dtype)
    seen = _look(gmssl.Costs(torch.from_numpy(vertex), torch.from_numpy(edge)))
    assert np.array_equal(seen.ends[0].numpy(), edge.min(2))
    assert np.array_equal(seen.ends[1].numpy(), edge.max(2))
    low, largest = -edge.min((1, 2)).astype(float), abs(edge).max((1, 2)).astype(float)
    inside = (largest > RANGE[0]) & (largest < RANGE[1])
    assert seen.ordinary == bool((inside & (largest <= ORDINARY * low)).all())


def test_a_large_matching_is_the_same_in_pages_of_its_own(monkeypatch):
    problem, columns = dense(6), torch.arange(6)[None]
    matching, energy = evaluated(problem, columns)
    monkeypatch.setattr(outcome, "MANY", 0)
    paged, same = evaluated(problem, columns)
    assert torch.equal(paged.edge, matching.edge)
    assert torch.equal(same, energy)
    assert paged.edge.add_(1).min() == 1
