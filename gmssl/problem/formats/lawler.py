"""Lawler's quadratic assignment problem (Management Science 1963) as one matrix over vertex pairs."""

from __future__ import annotations

from gmssl.errors import ProblemError
from gmssl.lazy import torch
from gmssl.problem.memory import refuse_without_room
from gmssl.problem.problem import Problem


def from_lawler(
    matrix: torch.Tensor,
    n: int,
    m: int,
    column_major: bool = False,
    allowed: torch.Tensor | None = None,
    partial: bool = False,
) -> Problem:
    """Minimise xᵀKx over one-to-one matchings x.

    The diagonal becomes the vertex costs; K and Kᵀ mean the same, so their entries for two vertex pairs become one
    edge pair, i < j, where their sum is not zero. Entries for two pairs in one row or one column of x are dropped: no
    matching holds both.

    Args:
        matrix: K `[n·m,n·m]`, or `[G,n·m,n·m]`; also a NumPy array. Costs are minimised: pygmtools maximises, pass −K.
        n: vertices of the left side.
        m: vertices of the right side.
        column_major: the index of pair (i, s) is s·n + i, as in pygmtools; by default it is i·m + s.
        allowed: bool `[n,m]`, or `[G,n,m]`; None allows every pair.
        partial: any vertex may stay unmatched.

    Returns:
        A problem in the floating point dtype of K, float64 for integers.

    Raises:
        ProblemError: K has another shape.
    """
    matrix = torch.as_tensor(matrix, device=getattr(matrix, "device", "cpu"))  # of a list: no default device
    if matrix.ndim not in (2, 3) or matrix.shape[-2:] != (n * m, n * m):
        raise ProblemError(
            f"the matrix has shape {list(matrix.shape)}, n = {n} and m = {m} ask for [{n * m},{n * m}] or a batch of "
            "those; pass the numbers of vertices of the left and of the right graph."
        )
    matrix = matrix if matrix.is_floating_point() else matrix.double()
    matrix = _reordered(matrix if matrix.ndim == 3 else matrix[None], n, m, column_major)
    graphs = len(matrix)
    cost = (matrix + matrix.transpose(1, 2)).view(graphs, n, m, n, m)  # [G,i,s,j,t]
    used = (cost != 0).any(0).permute(0, 2, 1, 3)  # [i,j,s,t]
    used = used & torch.ones(n, n, dtype=torch.bool, device=used.device).triu(1)[:, :, None, None]
    used = used & ~torch.eye(m, dtype=torch.bool, device=used.device)
    left, right = used.any(3).any(2).nonzero(), used.any(1).any(0).nonzero()
    edge = cost[:, left[:, None, 0], right[None, :, 0], left[:, None, 1], right[None, :, 1]]
    return Problem.build(
        matrix.diagonal(dim1=1, dim2=2).reshape(graphs, n, m),
        left.expand(graphs, -1, -1),
        right.expand(graphs, -1, -1),
        edge,
        allowed=None if allowed is None else allowed.expand(graphs, -1, -1),
        partial=partial,
    )


def to_lawler(problem: Problem, instance: int = 0, column_major: bool = False) -> torch.Tensor:
    """K of one instance, `[n·m,n·m]`, so that xᵀKx is the energy of every matching x; as it stands, not symmetric.

    The matrix holds costs only: `problem.topology.allowed` and `problem.topology.partial` go beside it.

    Args:
        problem: G matching problems.
        instance: which of them.
        column_major: as in `from_lawler`.

    Raises:
        ProblemError: the machine has no room for so large a matrix.
    """
    costs, topology = problem.costs, problem.topology
    _, n, m = costs.vertex.shape
    numbers = (n * m) ** 2
    refuse_without_room(
        numbers * costs.vertex.element_size(), f"{n * m}×{n * m} entries of Lawler's matrix", "use a smaller instance"
    )
    left, right = topology.left[instance], topology.right[instance]
    tail = left[:, None, 0] * m + right[None, :, 0]  # [E,F]
    head = left[:, None, 1] * m + right[None, :, 1]
    matrix = torch.diag(costs.vertex[instance].reshape(-1))
    matrix = matrix.index_put((tail, head), costs.edge[instance], accumulate=True)
    return _reordered(matrix[None], m, n, column_major)[0]


def _reordered(matrix: torch.Tensor, n: int, m: int, column_major: bool) -> torch.Tensor:
    """Row-major from column-major; with n and m exchanged, the way back."""
    if not column_major:
        return matrix
    order = torch.arange(n * m, device=matrix.device).view(m, n).T.reshape(-1)
    return matrix[:, order][:, :, order]
