"""How the energy falls while a solver works, told to a listener."""

from __future__ import annotations

from threading import Lock
from time import perf_counter

from gmssl.interfaces.solver import Listener
from gmssl.lazy import torch
from gmssl.parts.solvers.outcome import energies
from gmssl.parts.solvers.relabelling import on_cpu
from gmssl.problem import Problem


class Curve:
    """Tells a listener each matching that costs less than all before it; without a listener, nothing is done.

    Args:
        problem: G problems that are not partial; energies are those of its costs, in their dtype. Its time begins now.
        listener: called by whichever thread has found something, never by two at once.
    """

    def __init__(self, problem: Problem, listener: Listener | None) -> None:
        self._listener, self._lock, self._began = listener, Lock(), perf_counter()
        if listener is None:
            return
        self._problem = on_cpu(problem.detach())
        self._least = [float("inf")] * len(problem.costs.vertex)

    def learn(self, g: int, columns: torch.Tensor) -> None:
        """A matching `columns [n]` of instance g; −1 or ≥ m where unmatched."""
        if self._listener is None:
            return
        energy = energies(self._problem.select(slice(g, g + 1)), columns[None].cpu())
        self._tell(g, energy.to(self._problem.costs.vertex.dtype).item(), last=False)

    def end(self, energy: torch.Tensor) -> None:
        """The energies `[G]` that are returned, which are told in any case."""
        if self._listener is not None:
            for g, value in enumerate(energy.tolist()):
                self._tell(g, value, last=True)

    def _tell(self, g: int, energy: float, last: bool) -> None:
        with self._lock:
            if energy < self._least[g] or last:
                self._least[g] = min(energy, self._least[g])
                assert self._listener is not None, "asked before"
                self._listener(g, perf_counter() - self._began, energy)
