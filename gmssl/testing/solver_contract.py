"""The laws every solver keeps. A plugin's whole test:

    import gmssl
    from gmssl.testing.solver_contract import SolverContract

    class TestMine(SolverContract):
        solver = gmssl.part("solver", "mine")

Which laws apply follows from the class facts of the solver. Energies are compared, never matchings: ties are legal.
"""

from __future__ import annotations

from gmssl.testing.solver_optimum import SolverOptimum
from gmssl.testing.solver_output import SolverOutput
from gmssl.testing.solver_purity import SolverPurity
from gmssl.testing.solver_symmetry import SolverSymmetry


class SolverContract(SolverSymmetry, SolverOptimum, SolverPurity, SolverOutput):
    """Inherit, and set `solver`.

    `max_n` (5) bounds the problems drawn, `examples` (25) their number, and `finds_planted = False` is for a solver
    that need not solve problems whose optimum is obvious.
    """
