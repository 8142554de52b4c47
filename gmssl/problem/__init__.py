"""Matching problems, which can be used alone: costs, matchings, their energy, solutions, and how far these may be off.

This room knows nothing of networks, images or recipes: anything with the attributes of `MatchingSolver` solves its
problems. `gmssl.problem.formats` reads and writes them.
"""

from gmssl.problem.pairs import Costs, Matching, Pairs, energy, lift, vertex_matching
from gmssl.problem.problem import BackwardRecord, Multipliers, Problem, Solution
from gmssl.problem.solving import MatchingSolver, certify, completed, completing, solve
from gmssl.problem.topology import Topology

__all__ = [
    "BackwardRecord",
    "Costs",
    "Matching",
    "MatchingSolver",
    "Multipliers",
    "Pairs",
    "Problem",
    "Solution",
    "Topology",
    "certify",
    "completed",
    "completing",
    "energy",
    "lift",
    "solve",
    "vertex_matching",
]
