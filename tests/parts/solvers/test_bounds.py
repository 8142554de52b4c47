"""Bounds without an ascent: projected eigenvalues, Gilmore and Lawler; and what `lagrange` makes of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import gmssl
from gmssl.parts.solvers.koopmans_beckmann import products_of
from gmssl.parts.solvers.lagrange.dual import Ascent
from gmssl.parts.solvers.lagrange.eigenvalue import projected_eigenvalues
from gmssl.parts.solvers.lagrange.gilmore_lawler import least_products
from gmssl.parts.solvers.lagrange.outset import outset
from gmssl.problem import Problem
from gmssl.problem.formats import from_koopmans_beckmann, read
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.oracles import energy_of, least_energy, matchings
from gmssl.testing.solver_contract import SolverContract
from gmssl.testing.solver_laws import same
from gmssl.testing.strategies import problems

QAPLIB = Path(__file__).parents[4] / "shared" / "data" / "qap"
BOUNDS = [projected_eigenvalues, least_products]
GOING, STOPPED = np.zeros(1, np.int64), np.ones(1, np.int64)


def lagrange(**settings):
    return gmssl.part("solver", "lagrange", **settings)


class TestFromGilmoreAndLawler(SolverContract):
    solver = lagrange(bound="gilmore_lawler", iterations=20, every=10)
    examples = 10


@st.composite
def products(draw: st.DrawFn) -> Problem:
    """Koopmans–Beckmann problems with n ≤ m ≤ 5: offsets, signs, masks, loops, one, two or no symmetric matrices."""
    m = draw(st.integers(1, 5))
    n = draw(st.integers(1, m))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    offset, unit = draw(st.sampled_from([0, 5, -5, 1000])), draw(st.sampled_from([1.0, 1e-3, 1e6]))
    a, b = (generator.integers(-9, 10, (k, k)) + draw(st.sampled_from([0, offset])) for k in (n, m))
    a, b = (x + x.T if draw(st.booleans()) else x for x in (a, b))
    c = generator.integers(-20, 20, (n, m)) + offset
    allowed = generator.random((n, m)) < draw(st.sampled_from([1.0, 0.7]))
    allowed[np.arange(n), generator.permutation(m)[:n]] = True
    tensors = (torch.from_numpy(unit * x.astype(np.float64)) for x in (a, b, c))
    return from_koopmans_beckmann(*tensors, allowed=torch.from_numpy(allowed))


@given(products())
@pytest.mark.parametrize("bound", BOUNDS)
@settings(max_examples=150)
def test_no_bound_is_above_the_least_of_all_matchings(bound, problem):
    found = products_of(problem, 0, GOING)
    if found is None:
        assert not problem.costs.edge.any()  # nothing quadratic
        return
    least = least_energy(problem, 0)
    # Not even by rounding: the oracle's own sum may be off by as much as the bound is lowered.
    assert bound(found) <= least + 1e-15 * abs(least)


@given(products(), st.sampled_from([torch.float32, torch.float64]))
def test_the_two_matrices_cost_what_the_problem_costs(problem, dtype):
    problem = problem.with_costs(problem.costs.map(lambda x: x.to(dtype)))
    found = products_of(problem, 0, GOING)
    if found is None:
        return
    paid = problem.with_costs(problem.costs.map(lambda x: x.double().abs()))
    for columns in matchings(problem, 0):
        chosen = np.array(columns)
        own = found.vertex[np.arange(len(chosen)), chosen].sum() + (found.a * found.b[np.ix_(chosen, chosen)]).sum()
        assert abs(own - energy_of(problem, 0, columns)) <= found.slack + 1e-12 * energy_of(paid, 0, columns)


@given(problems(max_n=4), st.booleans())
def test_repeated_edges_loops_and_nearly_products(problem, exactly):
    """Costs that are products of numbers of the edges, of any list of edges, rounded to float32 or moved a little."""
    generator = torch.Generator().manual_seed(0)
    graphs, size, other = problem.costs.edge.shape
    left, right = (torch.randn(graphs, k, generator=generator, dtype=torch.float64) for k in (size, other))
    edge = left[:, :, None] * right[:, None]
    edge = edge if exactly else edge + 3e-7 * edge.abs() * torch.randn(edge.shape, generator=generator).sign()
    problem = Problem.build(
        problem.costs.vertex.double(), problem.topology.left, problem.topology.right, edge, problem.topology.allowed
    )
    n, m = problem.costs.vertex.shape[1:]
    for g in range(graphs if n <= m else 0):
        found = products_of(problem, g, GOING)
        if found is not None:
            assert not exactly or found.slack < 1e-12
            assert max(bound(found) for bound in BOUNDS) <= least_energy(problem, g)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("n", [2, 3, 7, 30])
def test_eigenvalues_bound_a_matrix_against_itself_exactly(n, symmetric):
    """⟨A, X(−A)Xᵀ⟩ is least where nothing moves, −‖A‖², by Cauchy and Schwarz; there the bound has no gap."""
    a = torch.randn(n, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    a = (a + a.T if symmetric else a).fill_diagonal_(0)
    found = products_of(from_koopmans_beckmann(a, -a), 0, GOING)
    assert projected_eigenvalues(found) == pytest.approx(-float((a * a).sum()), rel=1e-9)


def test_eigenvalues_do_not_see_names_nor_constants():
    generator = np.random.default_rng(0)
    a, b = (generator.normal(size=(9, 9)) for _ in range(2))
    shift = generator.permutation(9)
    constant = 7.0 * (a.sum() - a.trace())  # what all matchings pay for 7 more on every entry of B off its diagonal
    given = [(a, b), (a[np.ix_(shift, shift)], b), (a, b + 7 * (1 - np.eye(9)))]
    one, renamed, lifted = (
        projected_eigenvalues(products_of(from_koopmans_beckmann(*map(torch.from_numpy, x)), 0, GOING)) for x in given
    )
    diagonal = np.outer(a.diagonal(), b.diagonal())
    assert math.isfinite(one)
    assert diagonal.any()
    assert renamed == pytest.approx(one, rel=1e-9)
    assert lifted == pytest.approx(one + constant, rel=1e-9)


@pytest.mark.skipif(not QAPLIB.is_dir(), reason="needs the QAPLIB files")
@pytest.mark.parametrize(
    ("name", "gilmore_lawler", "projection"),
    [("nug12", 493, 472), ("nug15", 963, 973), ("nug20", 2057, 2196), ("nug30", 4539, 5266)],
)
def test_published_bounds(name, gilmore_lawler, projection):
    """Of QAPLIB's tables, where a bound is rounded up: the energies are whole numbers."""
    (instance,) = read(QAPLIB / f"{name}.dat")
    found = products_of(instance.problem, 0, GOING)
    assert math.ceil(least_products(found) - 1e-6) == gilmore_lawler
    assert math.ceil(projected_eigenvalues(found) - 1e-6) == projection
    # The multipliers split what the two vertices of a pair leave each other, and may end higher.
    climbed = [lagrange(bound=bound, iterations=0).solve(instance.problem) for bound in ("gilmore_lawler", "best")]
    assert gilmore_lawler - 1e-3 <= climbed[0].bound.item() <= 1.01 * gilmore_lawler
    assert math.ceil(climbed[1].bound.item() - 1e-6) >= max(gilmore_lawler, projection)


def halves(problem: Problem, g: int) -> float:
    """Gilmore and Lawler's bound of any edge costs, in plain loops: half of what a pair costs for each of its ends.

    A large number, where some pair of vertices is allowed that leaves the others no places.
    """
    left, right = problem.topology.left[g].tolist(), problem.topology.right[g].tolist()
    (n, m), edge = problem.costs.vertex.shape[1:], problem.costs.edge[g].double().numpy()
    allowed = problem.topology.allowed[g].numpy()
    single, double = problem.costs.vertex[g].double().numpy().copy(), np.zeros((n, n, m, m))
    for e, (i, j) in enumerate(left):
        for f, (s, t) in enumerate(right):
            if i == j and s == t:
                single[i, s] += edge[e, f]
            elif i != j and s != t:
                double[i, j, s, t] += edge[e, f] / 2
                double[j, i, t, s] += edge[e, f] / 2
    large = 1e6
    for i in range(n):
        for s in range(m):
            others, places = [j for j in range(n) if j != i], [t for t in range(m) if t != s]
            table = np.where(allowed[np.ix_(others, places)], double[i, others, s][:, places], large)
            least = table[linear_sum_assignment(table)].sum() if others else 0.0
            if allowed[i, s] and least > large / 10:
                return large  # with i at s its partners have no places, of which the start knows nothing
            single[i, s] += least
    single = np.where(allowed, single, large)
    return float(single[linear_sum_assignment(single)].sum())


@given(problems(max_n=4))
def test_the_start_bounds_as_gilmore_and_lawler_do(problem):
    n, m = problem.costs.vertex.shape[1:]
    start = lagrange(bound="gilmore_lawler", iterations=0, tolerance=0)
    wide = problem.with_costs(problem.costs.map(torch.Tensor.double))
    for g, bound in enumerate(gmssl.solve(wide, start).bound.tolist() if n <= m else []):
        lower, least = halves(problem, g), least_energy(problem, g)
        size = float(problem.costs.vertex[g].abs().sum() + problem.costs.edge[g].abs().sum())
        if lower < 1e5:  # else places of partners are forbidden by large costs there
            assert bound >= lower - 1e-5 * size
        assert bound <= least + 1e-12 * size


def test_other_problems_keep_their_bits():
    problem = paired_embeddings(6, 10, noise=3, gumbel=0.5, seed=1)
    one, other = (gmssl.solve(problem, lagrange(iterations=50, bound=bound)) for bound in ("best", "decomposition"))
    assert same(one, other)
    assert all(map(torch.equal, vars(one.multipliers).values(), vars(other.multipliers).values()))
    higher = gmssl.solve(problem, lagrange(iterations=0, bound="gilmore_lawler"))
    assert (higher.bound > gmssl.solve(problem, lagrange(iterations=0)).bound).all()


def test_an_instance_has_the_same_bound_in_every_batch():
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.rand(3, 7, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    problem = from_koopmans_beckmann(a, b)
    edge = problem.costs.edge.clone()
    edge[1] = torch.rand(edge[1].shape, generator=generator)  # no products
    problem = problem.with_costs(gmssl.Costs(problem.costs.vertex, edge))
    solver = lagrange(iterations=20, every=10)
    together = gmssl.solve(problem, solver)
    for g in range(3):
        alone = gmssl.solve(problem.select(torch.tensor([g])), solver)
        assert torch.equal(alone.bound, together.bound[g : g + 1])
    plainly = gmssl.solve(problem, lagrange(iterations=20, every=10, bound="decomposition")).bound
    assert torch.equal(together.bound > plainly, torch.tensor([True, False, True]))


@pytest.mark.parametrize("bound", ["best", "gilmore_lawler"])
def test_without_time_there_is_nothing_but_a_valid_bound(bound):
    problem = from_koopmans_beckmann(*torch.rand(2, 6, 6, dtype=torch.float64))
    ascent = Ascent(100, 50, 0.0, True, 1, STOPPED)
    known = outset(ascent, problem, bound)
    assert (known.floor == -torch.inf).all()
    assert known.multipliers is None or not known.multipliers.capacity.any()


@settings(max_examples=60)
@given(products(), st.sampled_from([0, 30]))
def test_solvers_bound_products_as_they_bound_other_costs(problem, iterations):
    """With offsets, whose constants are taken out before anything is bounded."""
    least = least_energy(problem, 0)
    solution = gmssl.solve(problem, lagrange(iterations=iterations))
    assert solution.bound.item() <= least + 1e-12 * abs(least)
    # From zero the bound is at most that of Gilmore and Lawler, whose multipliers are rounded to float32.
    zero = gmssl.solve(problem, lagrange(iterations=0, bound="decomposition")).bound.item()
    largest = max(float(x.abs().max()) for x in (problem.costs.vertex, problem.costs.edge) if x.numel())
    assert solution.bound.item() >= zero - 1e-5 * largest
    proven = gmssl.solve(problem, "exact")
    assert proven.energy.item() == pytest.approx(least, rel=1e-9, abs=1e-9)
    assert proven.converged.all()


@pytest.mark.parametrize("turn", [False, True])
def test_partial_and_turned_products(turn):
    generator = torch.Generator().manual_seed(5)
    a, b = (torch.randint(-9, 9, (k, k), generator=generator).double() for k in ((5, 4) if turn else (4, 5)))
    for partial in (False, True):
        problem = from_koopmans_beckmann(a, b, partial=partial)
        least = gmssl.solve(problem, "exhaustive").energy
        bounded = gmssl.solve(problem, lagrange(iterations=0))
        assert (bounded.bound <= least).all()
        assert (bounded.bound >= gmssl.solve(problem, lagrange(iterations=0, bound="decomposition")).bound).all()
        assert torch.equal(gmssl.solve(problem, "exact").energy, least)


def test_the_root_of_exact_is_bounded_by_eigenvalues_too():
    """Distances on a grid, where eigenvalues bound better than Gilmore and Lawler, and one step adds nothing."""
    x, y = torch.arange(20) // 5, torch.arange(20) % 5
    distances = ((x[:, None] - x).abs() + (y[:, None] - y).abs()).double()
    flows = torch.randint(0, 6, (20, 20), generator=torch.Generator().manual_seed(1)).double().triu(1)
    problem = from_koopmans_beckmann(flows + flows.T, distances)
    found = products_of(problem, 0, GOING)
    known = projected_eigenvalues(found)
    assert known > least_products(found) + 10
    stopped = gmssl.solve(problem, gmssl.part("solver", "exact", nodes=1, iterations=1))
    assert not stopped.converged.any()
    assert stopped.bound.item() == pytest.approx(known, rel=1e-9)
