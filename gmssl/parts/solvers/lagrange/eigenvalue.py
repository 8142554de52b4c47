"""The projected eigenvalue bound of costs that are products."""

from __future__ import annotations

from gmssl.lazy import numpy
from gmssl.parts.solvers.koopmans_beckmann import Products


def projected_eigenvalues(products: Products) -> float:
    """A lower bound: eigenvalues of the two matrices, where these act on what sums to 0, and one assignment.

    A is padded with zeros to m×m. A permutation X keeps the vector of ones, so with Π = I − 11ᵀ/m and Â = ΠAΠ on the
    m − 1 dimensions that Π leaves, r and c the sums of rows and columns, and σ the sum of all,

        ⟨A, X B Xᵀ⟩ = ⟨Â, Y B̂ Yᵀ⟩ + ⟨r_A r_Bᵀ + c_A c_Bᵀ, X⟩ / m − σ_A σ_B / m²,   Y orthogonal
                    ≥ ⟨λ(Â), λ(B̂)⟩₋ + min_X ⟨…, X⟩ / m − σ_A σ_B / m²,

    the least product of the eigenvalues in any order. Vertex costs join the assignment. If one matrix is symmetric,
    only the symmetric part of the other counts; if none is, both become Hermitian, (A + Aᵀ)/2 + i (A − Aᵀ)/2, which
    have the same product.

    Sources: Hadley, Rendl & Wolkowicz, "A new lower bound via projection for the quadratic assignment problem", Math.
    of OR 17 (1992), and "Nonsymmetric quadratic assignment problems and the Hoffman–Wielandt inequality", Linear
    Algebra Appl. 167 (1992).
    """
    n, m = products.vertex.shape
    a, b = numpy.pad(products.a, (0, m - n)), products.b
    symmetric = bool((a == a.T).all() or (b == b.T).all())
    spectra = [numpy.linalg.eigvalsh(_projected(_hermitian(x, symmetric))) for x in (a, b)]
    sums = numpy.outer(a.sum(1), b.sum(1)) + numpy.outer(a.sum(0), b.sum(0))
    constant = float(spectra[0] @ spectra[1][::-1]) - a.sum() * b.sum() / m**2
    return products.bound(constant, products.vertex + sums[:n] / m)


def _hermitian(matrix: numpy.ndarray, symmetric: bool) -> numpy.ndarray:
    even = (matrix + matrix.T) / 2
    return even if symmetric else even + 1j * (matrix - matrix.T) / 2


def _projected(matrix: numpy.ndarray) -> numpy.ndarray:
    """`matrix [m,m]` in an orthonormal basis of the vectors that sum to 0, `[m−1,m−1]`."""
    m, root = len(matrix), numpy.sqrt(len(matrix))
    basis = numpy.vstack([numpy.full((1, m - 1), -1 / root), numpy.eye(m - 1) - 1 / (m + root)])
    return basis.T @ matrix @ basis
