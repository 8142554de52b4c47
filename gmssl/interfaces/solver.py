"""Solvers map costs to the matching of least energy over a feasible set."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol, Self, TypeAlias, runtime_checkable

from gmssl.interfaces.part import Part
from gmssl.problem import Problem, Solution, completing

Listener: TypeAlias = Callable[[int, float, float], None]
"""Called with an instance of the batch, the seconds since `solve` was called, and an energy in the units of the costs.

The energies of an instance fall, and the last one is returned by `solve`. A search may call from a thread of its own,
never from two at once; what the listener raises ends the search, and `solve` raises it.
"""


@runtime_checkable
class Watchable(Protocol):
    """A solver that tells how the energy falls while it works."""

    def watched(self, listener: Listener) -> Self:
        """The same solver, which tells `listener` each matching that is better than all before it."""


class Solver(Part):
    """A pure, batched, minimising function: the same problem and settings give the same solution.

    Results must not depend on the other instances of the batch, nor on the number of threads. A solver keeps no state
    and knows nothing of autograd (gradients are an estimator's work), unless it declares itself `differentiable`.

    Class facts, which drive the contract tests (`gmssl.testing.solver_contract`):
        exact: the solver always returns an optimum of its feasible set.
        differentiable: autograd through `solve` is meaningful (relaxed feasible sets).
        uses_edges: the solver reads `costs.edge`.
        gives_bound: the solver returns proven lower bounds.
        constant: the matching does not depend on the costs.
        solves_partial: `solve` takes partial problems as they are. Other solvers only ever see complete ones: whoever
            calls their `solve` with a partial problem, it is completed with dummies, which are taken away again.
        constrained: the solution is a matching, or its rows are distributions. The contract is about these.
    """

    slot: ClassVar[str] = "solver"
    exact: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False
    uses_edges: ClassVar[bool] = False
    gives_bound: ClassVar[bool] = False
    constant: ClassVar[bool] = False
    solves_partial: ClassVar[bool] = False
    constrained: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "solve" in vars(cls):
            cls.solve = completing(cls.solve)  # type: ignore[method-assign]

    @abstractmethod
    def solve(self, problem: Problem) -> Solution:
        """Solve a checked problem on its own device; call it through `gmssl.solve`."""
