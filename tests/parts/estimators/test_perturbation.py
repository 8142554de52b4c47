"""Laws of the perturbation core, with the exhaustive solver as ground truth."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.parts.estimators.imle import Perturbation
from gmssl.problem import Pairs, Problem, Solution, lift, solve

GUMBEL = gmssl.part("noise", "gumbel")
EXHAUSTIVE = gmssl.part("solver", "exhaustive")
ESTIMATORS = {
    "blackbox": gmssl.part("estimator", "blackbox", strength=2.0),
    "imle_gumbel": gmssl.part("estimator", "imle", strength=2.0),
    "imle_samples": gmssl.part("estimator", "imle", strength=5.0, samples=3),
    "imle_gaussian": gmssl.part("estimator", "imle", strength=2.0, noise={"kind": "gaussian", "temperature": 0.5}),
    "imle_sum_of_gamma": gmssl.part("estimator", "imle", strength=2.0, noise={"kind": "sum_of_gamma", "k": 4}),
}


def make_problem(seed: int, graphs: int = 3, n: int = 4, target: bool = False) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.randint(n, (graphs, 5, 2), generator=generator) for _ in range(2))
    truth = None
    if target:
        columns = torch.stack([torch.randperm(n, generator=generator) for _ in range(graphs)])
        truth = torch.nn.functional.one_hot(columns, n).double()
    return Problem.build(
        torch.randn(graphs, n, n, generator=generator, dtype=torch.float64),
        left,
        right,
        torch.randn(graphs, 5, 5, generator=generator, dtype=torch.float64),
        target=truth,
    )


def leaves(problem: Problem) -> Problem:
    return problem.with_costs(problem.costs.map(lambda x: x.clone().requires_grad_()))


def gradients(
    estimator: GradientEstimator, problem: Problem, loss: Callable[[Solution], torch.Tensor], seed: int = 0
) -> tuple[Pairs, Solution]:
    problem = leaves(problem)
    solution = estimator.match(EXHAUSTIVE, problem, torch.Generator().manual_seed(seed))
    loss(solution).backward()
    assert problem.costs.vertex.grad is not None
    assert problem.costs.edge.grad is not None
    return Pairs(problem.costs.vertex.grad, problem.costs.edge.grad), solution


def linear_loss(seed: int, with_edges: bool = True) -> Callable[[Solution], torch.Tensor]:
    def loss(solution: Solution) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        g_vertex = torch.randn(solution.matching.vertex.shape, generator=generator, dtype=torch.float64)
        g_edge = torch.randn(solution.matching.edge.shape, generator=generator, dtype=torch.float64)
        return (g_vertex * solution.matching.vertex).sum() + with_edges * (g_edge * solution.matching.edge).sum()

    return loss


@pytest.mark.parametrize("name", ESTIMATORS)
@given(seed=st.integers(0, 2**31), factor=st.sampled_from([1e-6, 1 / 3, 7.0, 65536.0]))
def test_scaling_the_loss_scales_the_gradient(name: str, seed: int, factor: float) -> None:
    problem, loss = make_problem(seed), linear_loss(seed)
    one, _ = gradients(ESTIMATORS[name], problem, loss)
    scaled, _ = gradients(ESTIMATORS[name], problem, lambda s: factor * loss(s))
    torch.testing.assert_close(scaled.vertex, factor * one.vertex)
    torch.testing.assert_close(scaled.edge, factor * one.edge)


@pytest.mark.parametrize("name", ESTIMATORS)
@given(seed=st.integers(0, 2**31))
def test_the_gradient_never_points_uphill(name: str, seed: int) -> None:
    loss = linear_loss(seed)
    gradient, solution = gradients(ESTIMATORS[name], make_problem(seed), loss)
    # The loss is linear, so that evaluating it at the gradient gives ⟨upstream, gradient⟩ for each instance together.
    inner = loss(Solution(gradient, solution.energy, None, solution.converged))
    assert float(inner) <= 1e-9


@given(seed=st.integers(0, 2**31))
def test_blackbox_is_noiseless_one_sample_imle_bit_for_bit(seed: int) -> None:
    imle = gmssl.part("estimator", "imle", strength=2.0, noise="none", samples=1)
    a, first = gradients(imle, make_problem(seed), linear_loss(seed))
    b, second = gradients(ESTIMATORS["blackbox"], make_problem(seed), linear_loss(seed))
    assert torch.equal(a.vertex, b.vertex)
    assert torch.equal(a.edge, b.edge)
    assert torch.equal(first.matching.vertex, second.matching.vertex)


@given(seed=st.integers(0, 2**31))
def test_the_gradient_is_the_difference_of_two_solutions(seed: int) -> None:
    """The formula of Vlastelica et al., written out with two plain solves."""
    problem, strength = make_problem(seed), 2.0
    generator = torch.Generator().manual_seed(seed)
    g = torch.randn(problem.costs.vertex.shape, generator=generator, dtype=torch.float64)
    gradient, solution = gradients(ESTIMATORS["blackbox"], problem, lambda s: (g * s.matching.vertex).sum())
    first = solve(problem, EXHAUSTIVE).matching
    for graph in range(len(g)):
        largest = g[graph].abs().max()
        shifted = problem.costs.vertex + strength * g / largest
        second = solve(problem.with_costs(Pairs(shifted, problem.costs.edge)), EXHAUSTIVE).matching
        expected = largest / strength * (second - first).vertex[graph]
        torch.testing.assert_close(gradient.vertex[graph], expected)
        torch.testing.assert_close(gradient.edge[graph], largest / strength * (second - first).edge[graph])
    assert torch.equal(solution.matching.vertex, first.vertex)


@given(seed=st.integers(0, 2**31))
def test_the_certificate_changes_no_gradient(seed: int) -> None:
    problem = make_problem(seed, target=True)
    assert problem.target is not None
    target = problem.target
    estimator = gmssl.part("estimator", "imle", strength=20.0)
    loss = lambda s: (s.matching.vertex * (1 - 2 * target)).sum()  # noqa: E731
    with_target, solution = gradients(estimator, problem, loss)
    without, blind = gradients(estimator, Problem(problem.costs, problem.topology), loss)
    assert torch.equal(with_target.vertex, without.vertex)
    assert torch.equal(with_target.edge, without.edge)
    assert solution.backward.certified is not None
    assert solution.backward.target_is_truth is not None
    assert solution.backward.certified <= solution.backward.target_is_truth + 1e-6
    assert blind.backward.certified is None


def test_lambda_80_with_hamming_loss_is_certified_and_gives_the_published_gradient() -> None:
    problem = make_problem(1, graphs=32, n=6, target=True)
    estimator = gmssl.part("estimator", "imle")
    hamming = gmssl.part("loss", "hamming")
    gradient, solution = gradients(estimator, problem, lambda s: hamming(s.matching, problem).mean())
    assert problem.target is not None
    truth = lift(problem.target, problem.topology)
    assert solution.backward.certified == 1.0
    torch.testing.assert_close(gradient.vertex, (truth.vertex - solution.matching.vertex.detach()) / 80 / 32)
    torch.testing.assert_close(gradient.edge, (truth.edge - solution.matching.edge.detach()) / 80 / 32)


def test_no_upstream_gradient_no_gradient() -> None:
    for estimator in ESTIMATORS.values():
        gradient, _ = gradients(estimator, make_problem(0), lambda s: 0 * s.matching.vertex.sum())
        assert not gradient.vertex.any()
        assert not gradient.edge.any()


def test_samples_are_averaged_and_depend_on_the_generator_only() -> None:
    estimator = ESTIMATORS["imle_samples"]
    problem = make_problem(0)
    one = estimator.match(EXHAUSTIVE, problem, torch.Generator().manual_seed(5))
    same = estimator.match(EXHAUSTIVE, problem, torch.Generator().manual_seed(5))
    other = estimator.match(EXHAUSTIVE, problem, torch.Generator().manual_seed(6))
    assert torch.equal(one.matching.vertex, same.matching.vertex)
    assert not torch.equal(one.matching.vertex, other.matching.vertex)
    thirds = one.matching.vertex * 3
    torch.testing.assert_close(thirds, thirds.round())
    torch.testing.assert_close(one.matching.vertex.sum(2), torch.ones(3, 4, dtype=torch.float64))


def test_searches_agree_only_if_they_do_so_for_all_samples() -> None:
    estimator, problem = ESTIMATORS["imle_samples"], make_problem(0, graphs=30)
    search = gmssl.part("solver", "robust_tabu", starts=4, iterations=1, agree=2)
    perturbed = Perturbation(search, estimator.noise, estimator.noise, 5.0, 3)
    noisy = solve(perturbed.perturb(problem, torch.Generator().manual_seed(5)), search)
    found = estimator.match(search, problem, torch.Generator().manual_seed(5))
    assert found.agreed.any()
    assert found.agreed.sum() < noisy.agreed.view(3, 30).any(0).sum()
    assert torch.equal(found.agreed, noisy.agreed.view(3, 30).all(0))
    assert estimator.match(EXHAUSTIVE, problem, torch.Generator().manual_seed(5)).agreed is None


def test_edge_costs_are_perturbed_too() -> None:
    """With vertex costs that cannot decide, noiseless matchings are fixed and noisy ones vary: the edges decide."""
    problem = make_problem(3, graphs=1)
    drawn = {
        tuple(ESTIMATORS["imle_gumbel"].match(EXHAUSTIVE, problem, torch.Generator().manual_seed(s)).energy.tolist())
        for s in range(4)
    }
    assert len(drawn) == 4
    perturbed = Perturbation(EXHAUSTIVE, GUMBEL, GUMBEL, 2.0, 2).perturb(problem, None)
    difference = perturbed.costs - problem.costs.repeat(2)
    assert bool((difference.edge != 0).all())
    assert bool((difference.vertex != 0).all())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_costs_are_matched_in_float32(dtype: torch.dtype) -> None:
    problem = make_problem(2)
    half = problem.with_costs(problem.costs.map(lambda x: x.to(dtype).requires_grad_()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        solution = ESTIMATORS["blackbox"].match(EXHAUSTIVE, half, None)
        (solution.matching.vertex * torch.arange(4.0)).sum().backward()
    assert solution.matching.vertex.dtype == torch.float32
    assert half.costs.vertex.grad is not None
    assert half.costs.vertex.grad.dtype == dtype
    full = problem.with_costs(problem.costs.map(lambda x: x.to(dtype).float()))
    assert torch.equal(solution.matching.vertex.detach(), solve(full, EXHAUSTIVE).matching.vertex)


def test_exact_differentiates_the_solver() -> None:
    problem = leaves(make_problem(0))
    relaxed = gmssl.part("solver", "row_softmax", temperature=0.5)
    edgeless = Problem(
        Pairs(problem.costs.vertex, problem.costs.edge[:, :0, :0]),
        type(problem.topology)(problem.topology.left[:, :0], problem.topology.right[:, :0], problem.topology.allowed),
    )
    solution = gmssl.part("estimator", "exact").match(relaxed, edgeless, None)
    expected = torch.softmax(-problem.costs.vertex / 0.5, 2)
    torch.testing.assert_close(solution.matching.vertex, expected)
    weights = torch.randn(4, dtype=torch.float64)
    mine = torch.autograd.grad((solution.matching.vertex * weights).sum(), problem.costs.vertex)[0]
    theirs = torch.autograd.grad((expected * weights).sum(), problem.costs.vertex)[0]
    torch.testing.assert_close(mine, theirs)


def test_edge_noise_may_differ() -> None:
    problem = make_problem(0)
    silent = gmssl.part("noise", "none")
    perturbed = Perturbation(EXHAUSTIVE, GUMBEL, silent, 2.0).perturb(problem, None)
    assert torch.equal(perturbed.costs.edge, problem.costs.edge)
    assert bool((perturbed.costs.vertex != problem.costs.vertex).all())
    same = gmssl.part("estimator", "imle", noise="gaussian", edge_noise="gaussian")
    default = gmssl.part("estimator", "imle", noise="gaussian")
    first, second = (e.match(EXHAUSTIVE, problem, torch.Generator().manual_seed(1)).energy for e in (same, default))
    assert torch.equal(first, second)


def test_relaxed_solutions_are_never_replaced_by_the_hard_truth() -> None:
    """λ·ĝ is certain to win for matchings; a softmax at temperature 3 still is no matching."""
    estimator = gmssl.part("estimator", "blackbox", strength=8.0)
    relaxed = gmssl.part("solver", "row_softmax", temperature=3.0)
    edges = torch.zeros(1, 0, 2, dtype=torch.int64)
    vertex = torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True)
    problem = Problem.build(
        vertex, edges, edges, vertex.new_zeros(1, 0, 0), target=torch.eye(3, dtype=torch.float64)[None]
    )
    upstream = 1 - 2 * torch.eye(3, dtype=torch.float64)
    solution = estimator.match(relaxed, problem, None)
    (upstream * solution.matching.vertex).sum().backward()
    expected = (torch.softmax(-8 * upstream / 3, 1) - 1 / 3) / 8
    assert vertex.grad is not None
    torch.testing.assert_close(vertex.grad[0], expected)
    assert solution.backward.certified is None
