"""The whole test of a solver plugin."""

import gmssl
from gmssl.testing.solver_contract import SolverContract


class TestTwoSwap(SolverContract):
    solver = gmssl.part("solver", "two_swap")
