"""Solvers: costs to the matching of least energy over a feasible set."""
