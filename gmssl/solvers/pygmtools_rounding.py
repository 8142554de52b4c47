"""From soft assignments, one problem at a time, to matchings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gmssl.lazy import torch
from gmssl.pairs import Pairs
from gmssl.problem import Problem, Solution
from gmssl.solvers.lap import Lap
from gmssl.solvers.outcome import outcome
from gmssl.solvers.pygmtools_affinity import affinity_matrix
from gmssl.solvers.relabelling import restored, shuffled
from gmssl.solvers.sides import on_cpu, turned
from gmssl.topology import Topology

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
    weights = torch.empty(again.costs.vertex.shape, dtype=torch.float64)
    step = max(1, _ENTRIES // (n * m) ** 2)
    with _one_thread():
        for low in range(0, graphs, step):
            part = again.select(torch.arange(low, min(low + step, graphs)))
            for graph, matrix in enumerate(affinity_matrix(part)):
                # A copy of its own: kernels of linear algebra may round by the alignment of what they are given.
                weights[low + graph] = soft(matrix.clone()[None], part.topology.allowed[graph][None])[0]
    chosen = _heaviest(weights, again.topology.allowed)
    if n > m:
        chosen = chosen.transpose(1, 2)
    found = torch.where(chosen.any(2), chosen.int().argmax(2), -1).to(rows.device)
    unknown = torch.zeros(graphs, dtype=torch.bool, device=rows.device)  # pygmtools does not say whether it converged
    return outcome(problem, restored(found, rows, columns), unknown, proven=False)


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch on one thread: its sums do not depend on their number, and small matrices only wait for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _heaviest(weights: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """The matching of largest weight, bool `[G,n,m]`."""
    none = torch.zeros(len(weights), 0, 2, dtype=torch.long)
    edgeless = Problem(Pairs(-weights, weights[:, :0, :0]), Topology(none, none, allowed))
    return Lap().solve(edgeless).matching.vertex > 0
