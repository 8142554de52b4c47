"""Laws of what a solver depends on, and of what it leaves alone."""

from __future__ import annotations

import random

import numpy
import torch
from hypothesis import strategies as st

from gmssl.testing.laws import law, require
from gmssl.testing.solver_laws import SolverLaws, same


class SolverPurity(SolverLaws):
    """A solution depends on the problem and the settings alone."""

    @law
    def test_deterministic(self, data: st.DataObject) -> None:
        """Twice the same, bit for bit."""
        problem = self._draw(data)
        require(same(self._solve(problem), self._solve(problem)), "the second solution of a problem differs")

    @law
    def test_random_states_are_left_alone(self, data: st.DataObject) -> None:
        """The global random states of torch, numpy and Python are as before."""
        problem = self._draw(data)
        before = _random_states()
        self._solve(problem)
        for name, state in _random_states().items():
            require(state == before[name], f"the global random state of {name} has changed")

    @law
    def test_inputs_are_not_changed(self, data: st.DataObject) -> None:
        """Costs, edges and mask are as before."""
        problem = self._draw(data)
        costs, topology = problem.costs, problem.topology
        given = (costs.vertex, costs.edge, topology.left, topology.right, topology.allowed)
        before = [x.clone() for x in given]
        self._solve(problem)
        for name, old, new in zip(("vertex", "edge", "left", "right", "allowed"), before, given, strict=True):
            require(torch.equal(old, new), f"the solver has changed {name}")

    @law
    def test_autograd_only_if_differentiable(self, data: st.DataObject) -> None:
        """Costs that require gradients are solved the same; the solution carries gradients only if declared."""
        problem = self._draw(data)
        tracked = problem.with_costs(problem.costs.map(lambda x: x.clone().requires_grad_()))
        solution = self._solve(tracked)
        require(same(solution, self._solve(problem)), "costs that require gradients have another solution")
        for name, tensor in (("matching", solution.matching.vertex), ("energy", solution.energy)):
            carries = "carries" if tensor.requires_grad else "does not carry"
            declared = f"differentiable is {self.solver.differentiable}"
            require(tensor.requires_grad == self.solver.differentiable, f"{name} {carries} gradients, {declared}")

    @law
    def test_independent_of_batch(self, data: st.DataObject) -> None:
        """An instance alone is solved bit for bit as within any batch, at any place."""
        problem = self._draw(data)
        together = self._solve(problem)
        graphs = len(together.energy)
        for graph in range(graphs):
            index = torch.tensor([graph])
            alone = self._solve(problem.select(index))
            for name, one, other in (
                ("matching", alone.matching.vertex, together.matching.vertex[index]),
                ("energy", alone.energy, together.energy[index]),
            ):
                require(torch.equal(one, other), f"the {name} of an instance alone differs from that in a batch")
        backwards = torch.arange(graphs).flip(0)
        turned = self._solve(problem.select(backwards))
        equal = torch.equal(turned.matching.vertex, together.matching.vertex[backwards])
        require(equal, "the matching of an instance depends on its place in the batch")


def _random_states() -> dict[str, object]:
    of_numpy = numpy.random.get_state()
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": [x.tobytes() if isinstance(x, numpy.ndarray) else x for x in of_numpy],
        "Python": random.getstate(),
    }
