"""Koopmans and Beckmann's quadratic assignment problem (Econometrica 1957): edge costs are products."""

from __future__ import annotations

from gmssl.errors import ProblemError
from gmssl.lazy import torch
from gmssl.problem.formats.text import refuse_too_large
from gmssl.problem.problem import Problem


def from_koopmans_beckmann(
    a: torch.Tensor,
    b: torch.Tensor,
    c: torch.Tensor | None = None,
    allowed: torch.Tensor | None = None,
    partial: bool = False,
) -> Problem:
    """Minimise Σ_ij A_ij B_p(i)p(j) + Σ_i C_ip(i) over one-to-one p, with flows A and distances B.

    An entry off the diagonal becomes an edge where it is not zero in at least one instance; the diagonals, which are
    charged with single vertices, join the vertex costs: c^v_is = C_is + A_ii B_ss.

    Args:
        a: `[n,n]`, or `[G,n,n]`; also a NumPy array. Neither symmetry nor an empty diagonal is needed.
        b: `[m,m]`, or `[G,m,m]`.
        c: `[n,m]`, or `[G,n,m]`; None is zero.
        allowed: bool `[n,m]`, or `[G,n,m]`; None allows every pair.
        partial: any vertex may stay unmatched.

    Returns:
        A problem in the floating point dtype of the matrices, float64 for integers; edge costs are A_ij B_st.

    Raises:
        ProblemError: matrices that are not square or do not fit each other, or more than 2²⁸ edge pairs.
    """
    a, b = _batch("A", a), _batch("B", b)
    c = a.new_zeros(1, a.shape[1], b.shape[1]) if c is None else _batch("C", c)
    _check(a, b, c)
    vertex = a.diagonal(dim1=1, dim2=2)[:, :, None] * b.diagonal(dim1=1, dim2=2)[:, None, :] + c
    graphs = len(vertex)
    left, right = _used(a), _used(b)
    refuse_too_large(graphs * len(left) * len(right), f"costs of {graphs}×{len(left)}×{len(right)} edge pairs")
    edge = a[:, left[:, 0], left[:, 1]][:, :, None] * b[:, right[:, 0], right[:, 1]][:, None, :]
    return Problem.build(
        vertex.expand(graphs, -1, -1),
        left.expand(graphs, -1, -1),
        right.expand(graphs, -1, -1),
        edge.to(vertex.dtype).expand(graphs, -1, -1),
        allowed=None if allowed is None else allowed.expand(graphs, -1, -1),
        partial=partial,
    )


def _batch(name: str, matrix: torch.Tensor) -> torch.Tensor:
    """`[G,·,·]`, floating point."""
    matrix = torch.as_tensor(matrix, device=getattr(matrix, "device", "cpu"))  # of a list: no default device
    if matrix.ndim not in (2, 3):
        raise ProblemError(f"{name} has shape {list(matrix.shape)}; pass a matrix, or a batch of matrices.")
    matrix = matrix if matrix.is_floating_point() else matrix.double()
    return matrix if matrix.ndim == 3 else matrix[None]


def _check(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> None:
    for name, matrix in (("A", a), ("B", b)):
        if matrix.shape[1] != matrix.shape[2]:
            raise ProblemError(f"{name} has shape {list(matrix.shape)}; pass a square matrix, or a batch of them.")
    shapes = ", ".join(f"{name} {list(matrix.shape)}" for name, matrix in (("A", a), ("B", b), ("C", c)))
    if c.shape[1:] != (a.shape[1], b.shape[1]) or len({len(a), len(b), len(c)} - {1}) > 1:
        raise ProblemError(f"shapes do not fit: {shapes}; pass A [n,n], B [m,m], C [n,m], with the same G or without.")
    if len({a.device, b.device, c.device}) > 1:
        raise ProblemError(f"A is on {a.device}, B on {b.device}, C on {c.device}; move all to one device.")


def _used(matrix: torch.Tensor) -> torch.Tensor:
    """Places off the diagonal that are not zero everywhere in the batch, `[E,2]`."""
    used = (matrix != 0).any(0)
    return (used & ~torch.eye(len(used), dtype=torch.bool, device=used.device)).nonzero()
