"""The laws of first-party solvers; `exact`, `rrwm`, `ipfp` and `sm` keep them in the files of their own."""

import gmssl
from gmssl.testing.solver_contract import SolverContract


class TestLap(SolverContract):
    solver = gmssl.part("solver", "lap")


class TestExhaustive(SolverContract):
    solver = gmssl.part("solver", "exhaustive")


class TestRobustTabu(SolverContract):
    solver = gmssl.part("solver", "robust_tabu", starts=4, iterations=20)


class TestRowSoftmax(SolverContract):
    solver = gmssl.part("solver", "row_softmax")


class TestSinkhorn(SolverContract):
    solver = gmssl.part("solver", "sinkhorn", iterations=20)


class TestLagrange(SolverContract):
    solver = gmssl.part("solver", "lagrange", iterations=30)
