"""`seconds` of `robust_tabu` and `lagrange`: time that is used, whatever form the costs have."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.errors import ProblemError
from gmssl.parts.solvers.kernels.threads import unstopped
from gmssl.parts.solvers.koopmans_beckmann import Products, products_of
from gmssl.parts.solvers.tabu.evolution import Population
from gmssl.parts.solvers.tabu.products import ProductGround, in_whole_numbers
from gmssl.problem import Problem
from gmssl.problem.formats import from_koopmans_beckmann, read

QAP = Path(__file__).parents[4] / "shared" / "data" / "qap"


def drawn(n: int, m: int, form: str, seed: int) -> Problem:
    """One problem: edge costs that are products, symmetric or not, or any."""
    generator = torch.Generator().manual_seed(seed)
    vertex = torch.randint(-300, 300, (1, n, m), generator=generator).double()
    allowed = torch.rand(1, n, m, generator=generator) < 0.7
    allowed[:, range(min(n, m)), range(min(n, m))] = True
    if form == "any":
        left, right = (torch.randint(0, size, (1, 8, 2), generator=generator) for size in (n, m))
        edge = torch.randint(-99, 99, (1, 8, 8), generator=generator).double()
    else:
        a, b = (torch.randint(-20, 20, (size, size), generator=generator).double() for size in (n, m))
        if form == "symmetric":
            a, b = a + a.T, b + b.T
        left, right = (torch.cartesian_prod(torch.arange(size), torch.arange(size))[None] for size in (n, m))
        edge = torch.outer(a.flatten(), b.flatten())[None]
    return Problem.build(vertex, left, right, edge, allowed=allowed, partial=bool(seed % 2))


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """A first call spends its time on compiling, in a fresh installation."""
    for form in ("symmetric", "asymmetric", "any"):
        for seed in (0, 1):
            gmssl.solve(drawn(3, 3, form, seed), gmssl.part("solver", "robust_tabu", seconds=1, iterations=1))


@pytest.mark.parametrize("form", ["symmetric", "asymmetric", "any"])
@pytest.mark.parametrize("sides", [(3, 3), (6, 6), (4, 6), (6, 4)])
def test_it_ends_at_the_optimum(form: str, sides: tuple[int, int]) -> None:
    """From one search of no swaps, so that what finds it is what comes after."""
    solver = gmssl.part("solver", "robust_tabu", seconds=0.1, starts=1, iterations=0)
    for seed in range(4):
        problem = drawn(*sides, form, seed)
        best = gmssl.solve(problem, gmssl.part("solver", "exhaustive", limit=10**6))
        assert gmssl.solve(problem, solver).energy.item() == best.energy.item()


@given(n=st.integers(2, 9), symmetric=st.booleans(), fraction=st.sampled_from([1.0, 0.5, 0.3]), seed=st.integers(0, 99))
def test_energies_of_the_product_kernel(n: int, symmetric: bool, fraction: float, seed: int) -> None:
    """What the kernel sums swap by swap is the energy of what it returns, in float32 and in float64."""
    random = np.random.default_rng(seed)
    a, b = fraction * random.integers(-9, 9, (2, n, n)).astype(float)
    if symmetric:
        a, b = a + a.T, b + b.T
    np.fill_diagonal(a, 0)
    np.fill_diagonal(b, 0)
    vertex = random.integers(-50, 50, (n, n)).astype(float)
    ground = ProductGround(Products(a, b, vertex, 0.0), random)
    words = np.array([seed + 1], np.uint64)
    energy, where = ground.search(random.permutation(n), 40, words, unstopped())
    columns = ground.columns(where)
    assert (ground.begin(columns) == where).all()
    paid = vertex[np.arange(n), columns].sum() + (a * b[np.ix_(columns, columns)]).sum()
    assert energy == pytest.approx(paid, abs=1e-9)


@given(n=st.integers(2, 7), scale=st.integers(1, 30), seed=st.integers(0, 99))
def test_products_of_whole_numbers_are_searched_as_such(n: int, scale: int, seed: int) -> None:
    """Factors are found divided by the largest cost, which would cost the kernel its float32."""
    random = np.random.default_rng(seed)
    a, b = scale * random.integers(0, 90, (n, n)), random.integers(-90, 90, (n, n))
    np.fill_diagonal(a, 0)
    np.fill_diagonal(b, 0)
    problem = from_koopmans_beckmann(torch.from_numpy(a), torch.from_numpy(b))
    products = products_of(problem, 0, unstopped())
    if products is None:
        assert not a.any() or not b.any()
        return
    whole = in_whole_numbers(products)
    assert (whole.a == np.round(whole.a)).all()
    assert (whole.b == np.round(whole.b)).all()
    assert (np.multiply.outer(whole.a, whole.b) == np.multiply.outer(a, b)).all()


@pytest.mark.parametrize("unit", [1e-120, 1 / 3, 1.0, 1e120])
@pytest.mark.parametrize("dear", [1.0, 1e7, 1e13, 1e25])
def test_products_of_very_different_sizes(unit: float, dear: float) -> None:
    """Costs that the search cannot resolve beside the largest must not go unnoticed."""
    generator = torch.Generator().manual_seed(3)
    solver = gmssl.part("solver", "robust_tabu", seconds=0.1)
    for _ in range(4):
        a, b = (torch.randint(0, 20, (5, 5), generator=generator).double() for _ in range(2))
        a[0, 1] = a[2, 3] = dear  # the optimum avoids it where b is 0
        b[torch.rand(5, 5, generator=generator) < 0.5] = 0
        problem = from_koopmans_beckmann(unit * a, b)
        best = gmssl.solve(problem, gmssl.part("solver", "exhaustive", limit=10**6))
        assert gmssl.solve(problem, solver).energy.item() == best.energy.item()


def test_products_need_no_other_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes over the E·F costs of a hundred complete vertices would take longer than the search may."""

    def refuse(problem: Problem, matching: gmssl.Matching) -> None:
        raise AssertionError("not needed")

    monkeypatch.setattr("gmssl.parts.solvers.tabu.robust_tabu.plain", refuse)
    solver = gmssl.part("solver", "robust_tabu", seconds=0.05)
    gmssl.solve(drawn(6, 6, "symmetric", 0), solver)
    with pytest.raises(AssertionError, match="not needed"):
        gmssl.solve(drawn(6, 6, "any", 0), solver)


def test_products_without_a_matching_are_refused() -> None:
    problem = drawn(4, 4, "symmetric", 0)
    problem.topology.allowed[:, 1:3] = torch.tensor([True, False, False, False])
    with pytest.raises(ProblemError, match="`allowed` of instance 0 permits no"):
        gmssl.solve(problem, gmssl.part("solver", "robust_tabu", seconds=0.05))


def test_the_time_is_used_and_kept() -> None:
    problem = drawn(12, 12, "any", 0)
    solver = gmssl.part("solver", "robust_tabu", seconds=0.5)
    gmssl.solve(problem, solver)  # compiles
    began = perf_counter()
    gmssl.solve(problem, solver)
    assert 0.4 < perf_counter() - began < 3


def test_a_proof_ends_it_early() -> None:
    problem = drawn(4, 4, "any", 0)
    solver = gmssl.part("solver", "lagrange", seconds=30)
    began = perf_counter()
    assert gmssl.solve(problem, solver).converged.all()
    assert perf_counter() - began < 20


def test_more_time_never_gives_less() -> None:
    """The gap of a dense problem, after one round and after several."""
    problem = read(QAP / "nug12.dat")[0].problem
    once = gmssl.solve(problem, "lagrange")
    longer = gmssl.solve(problem, gmssl.part("solver", "lagrange", seconds=3))
    assert once.bound is not None
    assert longer.bound is not None
    assert longer.energy.item() <= once.energy.item()
    assert longer.bound.item() >= once.bound.item()


def test_a_population_forgets_all_but_the_best() -> None:
    """After many children without a change; searches are longer from then on."""
    population, random = Population(8, None), np.random.default_rng(0)
    swaps = set()
    for _ in range(200):
        where, length = population.next(random)
        assert sorted(where) == list(range(8))
        swaps.add(length)
        population.take(float(where[0]), where)
    assert population.energy == 0
    assert len(swaps) > 1
