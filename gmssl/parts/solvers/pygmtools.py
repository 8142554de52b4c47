"""The relaxations of pygmtools (spectral matching, RRWM, IPFP), and from their soft assignments to matchings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.solver import Solver
from gmssl.lazy import numpy as np
from gmssl.lazy import torch
from gmssl.parts.solvers.assignment.lap import Lap
from gmssl.parts.solvers.kernels.threads import one_thread
from gmssl.parts.solvers.outcome import outcome
from gmssl.parts.solvers.relabelling import on_cpu, restored, shuffled, turned
from gmssl.problem import Pairs, Problem, Solution, Topology
from gmssl.problem.memory import refuse_without_room


def affinity_matrix(problem: Problem) -> torch.Tensor:
    """K with x'Kx = −energy(x) for every matching x, symmetric, `[G,n·m,n·m]` float64.

    The pair (i, s) has index s·n + i: pygmtools vectorises matchings column by column. Entries that no matching of
    allowed pairs can use are 0: those of forbidden pairs, and of two pairs that share a row or a column. Edges in
    both directions, duplicates and self-loops add up in their entries.

    Raises:
        ProblemError: the machine has no room for it.
    """
    costs, topology = problem.costs, problem.topology
    graphs, n, m = costs.vertex.shape
    size = n * m
    refuse_without_room(
        8 * graphs * size**2, f"{size}×{size} entries of an affinity matrix", "use a smaller problem, or robust_tabu"
    )
    tail, head = (_pairs(topology.left[..., end], topology.right[..., end], n) for end in (0, 1))
    matrix = torch.zeros(graphs, size * size, dtype=torch.float64, device=costs.vertex.device)
    matrix.scatter_add_(1, tail * size + head, -costs.edge.double().flatten(1))
    matrix = matrix.view(graphs, size, size)
    matrix.diagonal(dim1=1, dim2=2).sub_(costs.vertex.double().transpose(1, 2).flatten(1))
    matrix = (matrix + matrix.transpose(1, 2)).div_(2)
    return matrix.masked_fill_(~usable(topology.allowed), 0.0)


def usable(allowed: torch.Tensor) -> torch.Tensor:
    """Which entries of K a matching of `allowed [G,n,m]` pairs can use, bool `[G,n·m,n·m]`."""
    n, m = allowed.shape[1:]
    pair = torch.arange(n * m, device=allowed.device)
    row, column = pair % n, pair // n
    together = (row[:, None] != row) & (column[:, None] != column) | (pair[:, None] == pair)
    open_ = allowed.transpose(1, 2).flatten(1)
    return together & open_[:, :, None] & open_[:, None, :]


def raised(matrix: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """K for methods that need it non-negative, in [0, 1]: random walks and leading eigenvectors.

    A complete matching of k = min(n, m) pairs uses k entries of the diagonal and k(k − 1) others, all of them usable.
    So a constant on the usable diagonal, another on all other usable entries, and a positive factor change x'Kx by the
    same for every complete matching, and leave its order. The constants make the least entries 0; one part in a
    thousand more keeps every usable entry positive, so that no usable row sums to 0 when costs are equal.

    Args:
        matrix: from `affinity_matrix`, `[G,n·m,n·m]`.
        allowed: bool `[G,n,m]`.
    """
    unusable = ~usable(allowed)
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    least_pair = diagonal.masked_fill(unusable.diagonal(dim1=1, dim2=2), torch.inf).amin(1)[:, None, None]
    others = matrix.masked_fill(unusable, torch.inf)
    others.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    least = others.amin((1, 2), keepdim=True)
    lifted = matrix - torch.where(least.isfinite(), least, 0.0)  # infinite where a matching has one pair only
    lifted.diagonal(dim1=1, dim2=2).copy_(diagonal - least_pair[:, :, 0])
    lifted.masked_fill_(unusable, 0.0)
    largest = lifted.amax((1, 2), keepdim=True)
    lifted.div_(torch.where(largest > 0, largest, 1.0)).add_(1e-3).div_(1 + 1e-3)
    return lifted.masked_fill_(unusable, 0.0)


def _pairs(left: torch.Tensor, right: torch.Tensor, n: int) -> torch.Tensor:
    """Indices in K of all pairs of vertices `left [G,E]` and `right [G,F]`, `[G,E·F]`."""
    return (right[:, None, :] * n + left[:, :, None]).flatten(1)


_ENTRIES = 2**19  # of affinity matrices that are built at a time: 4 MiB stay in the cache


def rounded(problem: Problem, soft: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Solution:
    """Assign softly, then take the allowed one-to-one matching of largest total weight (Hungarian method).

    pygmtools stops a batch when all of it has converged, and scales by its extremes; so each problem is solved alone,
    and its solution does not depend on its neighbours. Vertices are renamed at random first, so that ties are fair.

    Args:
        problem: G complete problems.
        soft: affinity matrices `[1,k·l,k·l]` of one problem and its allowed pairs `[1,k,l]`, k ≤ l, both on the CPU,
            to weights `[1,k,l]`. The shorter side comes first.

    Raises:
        ProblemError: `allowed` permits no matching of the shorter side.
    """
    again, rows, columns = shuffled(problem.detach(), seed=0)
    again = on_cpu(again)
    graphs, n, m = again.costs.vertex.shape
    if n > m:
        again = turned(again)
    weights = torch.empty(again.costs.vertex.shape, dtype=torch.float64, device="cpu")
    step = max(1, _ENTRIES // (n * m) ** 2)
    with one_thread():
        for low in range(0, graphs, step):
            part = again.select(torch.arange(low, min(low + step, graphs), device="cpu"))
            for graph, matrix in enumerate(affinity_matrix(part)):
                # A copy of its own: kernels of linear algebra may round by the alignment of what they are given.
                weights[low + graph] = soft(matrix.clone()[None], part.topology.allowed[graph][None])[0]
    chosen = _heaviest(weights, again.topology.allowed)
    if n > m:
        chosen = chosen.transpose(1, 2)
    found = torch.where(chosen.any(2), chosen.int().argmax(2), -1).to(rows.device)
    unknown = torch.zeros(graphs, dtype=torch.bool, device=rows.device)  # pygmtools does not say whether it converged
    return outcome(problem, restored(found, rows, columns), unknown, proven=False)


def _heaviest(weights: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """The matching of largest weight, bool `[G,n,m]`."""
    none = torch.zeros(len(weights), 0, 2, dtype=torch.long, device="cpu")
    edgeless = Problem(Pairs(-weights, weights[:, :0, :0]), Topology(none, none, allowed))
    return Lap().solve(edgeless).matching.vertex > 0


class _Relaxed(Solver):
    """A relaxation of pygmtools, rounded; the kinds below say how one problem is assigned softly."""

    uses_edges: ClassVar[bool] = True

    @abstractmethod
    def soft(self, matrix: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        """Weights `[1,k,l]` from the affinity matrix `[1,k·l,k·l]` and the allowed pairs `[1,k,l]` of one problem."""

    def solve(self, problem: Problem) -> Solution:
        """Solve each instance; `converged` is False, since pygmtools does not say.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        return rounded(problem, self.soft)


class Sm(_Relaxed):
    """Spectral matching (Leordeanu & Hebert, ICCV 2005): the leading eigenvector of K, rounded.

    x'Kx, K ≥ 0, is maximised over vectors of norm one instead of matchings, by power iteration in pygmtools, on the
    CPU. Memory is 8·(n·m)² bytes. A baseline: `robust_tabu` finds lower energies in less time.
    """

    kind: ClassVar[str] = "sm"

    iterations: int = Field(50, ge=1, description="largest number of power iterations")

    def soft(self, matrix: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        """Weights `[1,k,l]`, as `rounded` takes them."""
        import pygmtools

        n, m = allowed.shape[1:]
        # The numpy backend takes a third of the time of the torch backend on one problem.
        affinity = raised(matrix, allowed).numpy()
        weights = pygmtools.sm(affinity, n1max=n, n2max=m, max_iter=self.iterations, backend="numpy")
        return torch.from_numpy(weights)


class Rrwm(_Relaxed):
    """Reweighted random walk matching (Cho, Lee & Lee, ECCV 2010), rounded.

    A random walk over vertex pairs with transition weights K ≥ 0, which jumps towards pairs that a Sinkhorn
    normalisation of its distribution prefers; by pygmtools, on the CPU. Memory is 8·(n·m)² bytes. A baseline:
    `robust_tabu` finds lower energies in a hundredth of the time.
    """

    kind: ClassVar[str] = "rrwm"

    iterations: int = Field(50, ge=1, description="largest number of steps of the walk")
    sinkhorn_iterations: int = Field(20, ge=1, description="normalisations of rows and columns for each jump")
    alpha: float = Field(0.2, ge=0, le=1, description="share of the jump in a step; 0 walks without jumps")
    beta: float = Field(30.0, gt=0, description="sharpness of the jump: inverse temperature before Sinkhorn")

    def soft(self, matrix: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        """Weights `[1,k,l]`, as `rounded` takes them."""
        import pygmtools

        n, m = allowed.shape[1:]
        weights: torch.Tensor = pygmtools.rrwm(
            raised(matrix, allowed),
            n1max=n,
            n2max=m,
            max_iter=self.iterations,
            sk_iter=self.sinkhorn_iterations,
            alpha=self.alpha,
            beta=self.beta,
            backend="pytorch",  # takes a third of the time of the numpy backend
        )
        return weights


class Ipfp(_Relaxed):
    """Integer projected fixed point method (Leordeanu, Hebert & Sukthankar, NIPS 2009).

    Ascent of x'Kx: each iteration solves the linear assignment of the gradient and searches the line towards it; the
    best assignment met is the result. By pygmtools, on the CPU. Memory is 8·(n·m)² bytes. A baseline: `robust_tabu`
    finds lower energies in less time.
    """

    kind: ClassVar[str] = "ipfp"

    iterations: int = Field(50, ge=1, description="largest number of linear assignments")

    def soft(self, matrix: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        """Weights `[1,k,l]`, as `rounded` takes them."""
        import pygmtools

        n, m = allowed.shape[1:]
        start = _spread(allowed)
        affinity = _shifted(matrix, start, allowed).numpy()
        with np.errstate(divide="ignore", invalid="ignore"):  # the line search at a fixed point is 0/0
            weights = pygmtools.ipfp(
                affinity, n1max=n, n2max=m, x0=start.numpy(), max_iter=self.iterations, backend="numpy"
            )
        return torch.from_numpy(weights)


def _spread(allowed: torch.Tensor) -> torch.Tensor:
    """The start: rows `[1,n,m]` sum to 1, columns to at most 1 (about), over allowed pairs; 1/m without a mask."""
    x = allowed.double()
    for _ in range(20):
        x = x / x.sum(1, keepdim=True).clamp(min=1)
        x = x / x.sum(2, keepdim=True)
    return x


def _shifted(matrix: torch.Tensor, start: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """K with a constant and a penalty; every iterate v, as sums of rows are 1, sees the same constant n².

    pygmtools keeps only assignments of a value above −1, and stops when the relative change of the value is below a
    thousandth. A constant, added to all entries, makes the value of the start 0, so that changes are relative to what
    the ascent gained; the scale keeps values above −1. Both leave gradients (up to a constant) and order as they are.

    The entries of a forbidden pair a with all pairs b get −1: as the v_b sum to n, the gradient at a falls by n,
    whatever v is. All gradients of the scaled K are below 1 in absolute value and n of them are chosen, so no
    assignment uses a forbidden pair if one avoids them, and then the penalty is no part of any value.
    """
    n = allowed.shape[1]
    scale = 4 * n**2 * matrix.abs().amax().clamp(min=torch.finfo(matrix.dtype).tiny)
    scaled = matrix / scale
    v = start.transpose(1, 2).flatten(1)
    value = torch.einsum("ga,gab,gb->", v, scaled, v)
    forbidden = (~allowed).double().transpose(1, 2).flatten(1)
    penalty = forbidden[:, :, None] + forbidden[:, None, :]
    return scaled + (1e-9 - value) / n**2 - penalty
