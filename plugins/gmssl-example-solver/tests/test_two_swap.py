"""The whole test of a solver plugin."""

import gmssl
from gmssl.testing.solver_contract import SolverContract


class TestTwoSwap(SolverContract):
    solver = gmssl.part("solver", "two_swap")
    finds_planted = False  # a descent may end at a local minimum, even where the optimum is obvious
