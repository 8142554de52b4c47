"""The energies that a solver tells while it works: they fall, and the last one is that of its solution."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.registry import kinds
from gmssl.interfaces.solver import Watchable
from gmssl.problem import Problem

Points = list[tuple[int, float, float]]


def drawn(graphs: int, n: int, m: int, products: bool, partial: bool, seed: int) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randint(-9, 9, (graphs, size, size), generator=generator).double() for size in (n, m))
    left, right = (torch.cartesian_prod(torch.arange(k), torch.arange(k)).expand(graphs, -1, -1) for k in (n, m))
    edge = a.flatten(1)[:, :, None] * b.flatten(1)[:, None, :]
    if not products:
        edge = edge + torch.randint(-30, 30, edge.shape, generator=generator)
    return Problem.build(
        1000 + torch.rand(graphs, n, m, generator=generator).double(), left, right, edge, partial=partial
    )


def watched(problem: Problem, kind: str, **settings: float) -> tuple[Points, gmssl.Solution]:
    points: Points = []
    solver = gmssl.part("solver", kind, **settings)
    assert isinstance(solver, Watchable)
    return points, gmssl.solve(problem, solver.watched(lambda *point: points.append(point)))


@given(
    sides=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    graphs=st.integers(1, 2),
    products=st.booleans(),
    partial=st.booleans(),
    kind=st.sampled_from(["robust_tabu", "lagrange"]),
    limited=st.booleans(),
    single=st.booleans(),
    seed=st.integers(0, 99),
)
def test_energies_fall_to_the_one_that_is_returned(
    sides: tuple[int, int],
    graphs: int,
    products: bool,
    partial: bool,
    kind: str,
    limited: bool,
    single: bool,
    seed: int,
) -> None:
    problem = drawn(graphs, *sides, products, partial, seed)
    if single:
        problem = problem.with_costs(problem.costs.map(torch.Tensor.float))
    limit = {"seconds": 0.03} if limited else {}
    points, solution = watched(problem, kind, **limit)
    for g in range(graphs):
        energies = [energy for instance, _, energy in points if instance == g]
        assert all(one > other for one, other in pairwise(energies[:-1]))
        assert energies[-1] == min(energies) == solution.energy[g].item()
    seconds = [time for _, time, _ in points]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0


def test_a_search_tells_what_it_finds_on_its_way() -> None:
    """From one search without swaps, so that there is something to find."""
    problem = drawn(1, 24, 24, True, False, 0)
    points, _ = watched(problem, "robust_tabu", seconds=0.3, starts=1, iterations=0)
    assert len(points) > 2
    assert points[0][2] > points[-1][2]


def test_watching_changes_nothing() -> None:
    problem = drawn(3, 6, 6, False, False, 1)
    for kind in ("robust_tabu", "lagrange"):
        plain = gmssl.solve(problem, kind)
        assert (watched(problem, kind)[1].matching.vertex == plain.matching.vertex).all()


def test_what_the_listener_raises_ends_the_search() -> None:
    def refuse(instance: int, seconds: float, energy: float) -> None:
        if seconds > 0.01:
            raise RuntimeError("enough")

    solver = gmssl.part("solver", "robust_tabu", seconds=2)
    assert isinstance(solver, Watchable)
    with pytest.raises(RuntimeError, match="enough"):
        gmssl.solve(drawn(1, 8, 8, True, False, 0), solver.watched(refuse))


def test_solvers_without_a_curve_are_known() -> None:
    assert {"robust_tabu", "lagrange"} <= set(kinds("solver"))
    assert not isinstance(gmssl.part("solver", "sm"), Watchable)
