"""Linear assignment in all its versions against SciPy, and against its own dual, which proves an optimum."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from gmssl.parts.solvers.assignment import lap as assignment
from gmssl.parts.solvers.assignment.lap import assign
from gmssl.parts.solvers.assignment.lap_numba import assign_rectangular
from gmssl.testing.strategies import problems

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton, which is for Linux")


def scipy_optimum(cost):
    """The least total of `[n,m]` float64 with +inf where forbidden, or None if there is no matching."""
    try:
        return cost[linear_sum_assignment(cost)].sum()
    except ValueError:
        return None


def expect_optimal(costs, allowed, columns):
    """Columns `[G,n]` are one-to-one, allowed and of SciPy's total; all −1 where SciPy finds none."""
    assert columns.dtype == torch.int64
    graphs, n, m = costs.shape
    for g in range(graphs):
        cost = costs[g].double().masked_fill(~allowed[g], float("inf")).cpu().numpy()
        optimum, chosen = scipy_optimum(cost), columns[g].cpu().numpy()
        if optimum is None:
            assert (chosen == -1).all()
            continue
        rows = np.flatnonzero(chosen >= 0)
        assert len(rows) == len(set(chosen[rows].tolist())) == min(n, m)
        scale = np.abs(cost[np.isfinite(cost)]).max()
        assert cost[rows, chosen[rows]].sum() == pytest.approx(optimum, abs=1e-12 * len(rows) * max(scale, 1e-30))


@st.composite
def cost_matrices(draw, max_n=12, max_more=6):
    """Costs `[n,m]`, n ≤ m, with ties, wide scales and forbidden pairs (+inf), feasible or not."""
    n = draw(st.integers(1, max_n))
    m = n + draw(st.integers(0, max_more))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    cost = random.integers(-3, 4, (n, m)).astype(float) if draw(st.booleans()) else random.normal(size=(n, m))
    cost[random.random((n, m)) < draw(st.sampled_from([0.0, 0.0, 0.4, 0.8]))] = np.inf
    return cost * draw(st.sampled_from([1e-20, 1.0, 1e20]))


@given(cost_matrices())
def test_rectangular_agrees_with_scipy_and_certifies_itself(cost):
    n, m = cost.shape
    columns, row, column = np.empty(n, np.int64), np.empty(n), np.empty(m)
    optimum = scipy_optimum(cost)
    assert assign_rectangular(cost, columns, row, column) == (optimum is not None)
    if optimum is None:
        return
    scale = np.abs(cost[np.isfinite(cost)]).max(initial=1e-300)
    assert len(set(columns.tolist())) == n
    assert cost[np.arange(n), columns].sum() == pytest.approx(optimum, abs=1e-12 * n * scale)
    reduced = cost - row[:, None] - column
    assert reduced.min() >= -1e-15 * scale
    assert np.abs(reduced[np.arange(n), columns]).max() <= 1e-13 * scale
    assert (column <= 0).all()
    assert (column[np.setdiff1d(np.arange(m), columns)] == 0).all()
    assert row.sum() + column.sum() == pytest.approx(optimum, abs=1e-12 * n * scale)


def test_more_rows_than_columns_are_refused():
    assert not assign_rectangular(np.zeros((3, 2)), np.empty(3, np.int64), np.empty(3), np.empty(2))


def random_batch(n, m, graphs=8, integers=False, density=1.0, dtype=torch.float32, device="cpu"):
    """Costs and mask. Vertices differ in how much they are wanted, so that matching one after the other goes wrong."""
    generator = torch.Generator().manual_seed(100 * n + m)
    costs = torch.rand(graphs, n, m, generator=generator)
    costs += 10 * torch.rand(graphs, n, 1, generator=generator) + 10 * torch.rand(graphs, 1, m, generator=generator)
    allowed = torch.rand(graphs, n, m, generator=generator) < density
    return (costs.round() if integers else costs).to(device, dtype), allowed.to(device)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("integers", "density"), [(False, 1.0), (True, 1.0), (False, 0.3), (True, 0.6)])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (6, 6), (5, 9), (9, 5), (16, 16), (33, 33), (20, 47)])
def test_batches_agree_with_scipy(n, m, integers, density, dtype):
    costs, allowed = random_batch(n, m, integers=integers, density=density, dtype=dtype)
    expect_optimal(costs, allowed, assign(costs, allowed))


@given(problems(max_n=8, edges=False))
def test_problems_agree_with_scipy(problem):
    expect_optimal(
        problem.costs.vertex, problem.topology.allowed, assign(problem.costs.vertex, problem.topology.allowed)
    )


def test_a_price_war_ends():
    # All rows want the first half of the columns, whose costs hardly differ: bidding alone would take 10¹² rounds.
    n = 24
    cost = np.ones((n, n))
    cost[:, : n // 2] = 1e-12 * np.random.default_rng(0).random((n, n // 2))
    columns, row, column = np.empty(n, np.int64), np.empty(n), np.empty(n)
    assert assign_rectangular(cost, columns, row, column)
    assert cost[np.arange(n), columns].sum() == pytest.approx(scipy_optimum(cost), rel=1e-15)


def test_threads_and_company_change_nothing(monkeypatch):
    monkeypatch.setattr(assignment, "SMALL", 0)
    costs, allowed = random_batch(7, 9, graphs=41, integers=True)
    alone = torch.cat([assign(costs[g : g + 1], allowed[g : g + 1]) for g in range(len(costs))])
    for threads in (1, 2, 5):
        assert torch.equal(assign(costs, allowed, threads=threads), alone)
    assert not torch.equal(assign(costs, allowed, seed=1), alone), "ties should fall otherwise under another seed"


def test_any_layout():
    costs, allowed = random_batch(6, 6, integers=True)
    turned = costs.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    assert torch.equal(assign(turned, allowed), assign(costs))
    assert torch.equal(assign(costs[:1].expand(3, -1, -1)), assign(costs[:1]).expand(3, -1))
    assert assign(costs[:0]).shape == (0, 6)


@pytest.mark.parametrize(("n", "m"), [(3, 4), (4, 4), (4, 3)])
def test_contests_are_decided_at_chance(n, m):
    # Every row wants column 0, every column row 0: neither who wins nor what the losers get may follow the indices.
    graphs = 900
    costs = torch.zeros(graphs, n, m)
    costs[:, :, 0] -= 1
    costs[:, 0] -= 1
    costs[:, 0, 0] = 0
    columns = assign(costs + torch.linspace(-2, 2, graphs)[:, None, None])
    winner, prize = (columns == 0).double().mean(0)[1:], columns[:, 0].bincount(minlength=m)[1:] / graphs
    for often in (winner, prize):
        share = 1 / len(often)
        assert (often - share).abs().max() < 5 * (share * (1 - share) / graphs) ** 0.5, often


def check_kernel(device, shapes, graphs):
    """The Triton kernel on a device, or interpreted on the CPU, against SciPy."""
    from gmssl.parts.solvers.assignment.lap_triton import assign_on_device

    for n, m in shapes:
        for integers, density in ((False, 1.0), (True, 1.0), (True, 0.5)):
            costs, allowed = random_batch(n, m, graphs, integers, density, device=device)
            columns = assign_on_device(costs, allowed, 0)
            expect_optimal(costs, allowed, columns)
            assert torch.equal(assign_on_device(costs[1:2], allowed[1:2], 0), columns[1:2])
    square, allowed = random_batch(4, 4, graphs, dtype=torch.bfloat16, device=device)
    anything = torch.ones((), dtype=torch.bool, device=device).expand(allowed.shape)
    expect_optimal(square.transpose(1, 2), anything, assign_on_device(square.transpose(1, 2), anything, 0))
    assert assign_on_device(square[:0], allowed[:0], 0).shape == (0, 4)


def check_kernel_is_fair(device, graphs):
    """Where both matchings of two pairs cost the same, each is chosen half the time."""
    from gmssl.parts.solvers.assignment.lap_triton import assign_on_device

    costs = torch.linspace(-2, 2, graphs, device=device)[:, None, None].expand(-1, 2, 2)
    straight = (assign_on_device(costs, torch.ones_like(costs, dtype=torch.bool), 0)[:, 0] == 0).double().mean()
    assert abs(straight.item() - 0.5) < 5 * 0.5 / graphs**0.5


@needs_triton
@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernel runs for real in another test")
def test_the_kernel_interpreted():
    script = f"""
import runpy
test = runpy.run_path({__file__!r})
test["check_kernel"]("cpu", [(1, 1), (3, 5), (4, 3), (5, 5)], 3)
test["check_kernel_is_fair"]("cpu", 40)
"""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@needs_triton
@pytest.mark.parametrize(("turned", "rows", "width", "warps"), [(False, 16, 16, 1), (True, 64, 1024, 8)])
def test_the_kernel_compiles_for_a_gpu(turned, rows, width, warps):
    # The interpreter knows no types; the compiler needs no GPU.
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from gmssl.parts.solvers.assignment.lap_triton import _assign

    constants = {"TURNED": turned, "ROWS": rows, "WIDTH": width}
    types = {**dict.fromkeys(_assign.arg_names, "i32"), **dict.fromkeys(constants, "constexpr")}
    types |= {"costs": "*fp32", "allowed": "*i1", "columns": "*i64"}
    source = ASTSource(_assign, signature=types, constexprs=constants)
    options = {"num_warps": warps, "enable_fp_fusion": False}
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    assert "st.local" not in compiled.asm["ptx"], "state was to stay in registers"
    assert len(compiled.asm["cubin"]) > 0


@needs_cuda
def test_on_cuda():
    check_kernel("cuda", [(1, 1), (3, 5), (5, 3), (16, 16), (16, 40), (40, 16), (64, 64), (130, 300)], 20)
    check_kernel_is_fair("cuda", 900)


@needs_cuda
def test_on_cuda_nothing_waits():
    costs, _ = random_batch(16, 16, device="cuda")
    here = assign(costs)  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = assign(costs)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(here, there)


@needs_cuda
def test_on_cuda_without_triton(monkeypatch):
    monkeypatch.setattr(assignment, "find_spec", lambda name: None)
    costs, allowed = random_batch(9, 12, density=0.5, device="cuda")
    columns = assign(costs, allowed)
    assert columns.is_cuda
    expect_optimal(costs, allowed, columns)
