"""Problems made of other problems, whose solutions follow from theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gmssl.problem import Pairs, Problem, Topology


def relabelled(problem: Problem, rows: torch.Tensor, columns: torch.Tensor) -> Problem:
    """The same problem with its vertices renamed: new row i is old row `rows[i]`, and so for columns.

    Args:
        problem: any problem; the target, if there is one, is renamed with it.
        rows, columns: permutations `[n]` and `[m]`, the same for every instance, or `[G,n]` and `[G,m]`.
    """
    graphs, n, m = problem.costs.vertex.shape
    rows, columns = rows.expand(graphs, n), columns.expand(graphs, m)

    def renamed(x: torch.Tensor) -> torch.Tensor:
        x = x.gather(1, rows[:, :, None].expand_as(x))
        return x.gather(2, columns[:, None, :].expand_as(x))

    def edges(old: torch.Tensor, names: torch.Tensor) -> torch.Tensor:
        return names.argsort(1).gather(1, old.flatten(1)).view_as(old)

    topology = Topology(
        edges(problem.topology.left, rows),
        edges(problem.topology.right, columns),
        renamed(problem.topology.allowed),
        problem.topology.partial,
    )
    target = None if problem.target is None else renamed(problem.target)
    return Problem(Pairs(renamed(problem.costs.vertex), problem.costs.edge), topology, target)


def identity_labelled(problem: Problem) -> Problem:
    """The same problem with the right vertices renamed so that the target is the identity.

    Args:
        problem: n = m, with a complete target.
    """
    if problem.target is None:
        raise ValueError("problem has no target; pass one that has, for example paired_embeddings(...).")
    return relabelled(problem, torch.arange(problem.target.shape[1], device="cpu"), problem.target.argmax(2))


def edgeless(problem: Problem) -> Problem:
    """The same problem without its edges."""
    topology = replace(problem.topology, left=problem.topology.left[:, :0], right=problem.topology.right[:, :0])
    return replace(problem, costs=Pairs(problem.costs.vertex, problem.costs.edge[:, :0, :0]), topology=topology)


def strided(problem: Problem) -> Problem:
    """Equal tensors in another layout: none is contiguous, where it has more than one row and column."""
    layout = lambda x: x.mT.contiguous().mT  # noqa: E731
    old = problem.topology
    topology = replace(old, left=layout(old.left), right=layout(old.right), allowed=layout(old.allowed))
    target = None if problem.target is None else layout(problem.target)
    return Problem(problem.costs.map(layout), topology, target)


def scale_of(problem: Problem) -> torch.Tensor:
    """The largest absolute cost of each instance, `[G]` in float64: the unit of tolerances of energies."""
    vertex, edge = (x.detach().double().abs().flatten(1) for x in (problem.costs.vertex, problem.costs.edge))
    return torch.cat([vertex, edge], 1).amax(1)


def concatenated(problems: Sequence[Problem]) -> Problem:
    """The instances of several problems of equal n, m, E, F and kind, one after the other, without targets."""
    costs, topologies = [p.costs for p in problems], [p.topology for p in problems]
    topology = Topology(
        torch.cat([t.left for t in topologies]),
        torch.cat([t.right for t in topologies]),
        torch.cat([t.allowed for t in topologies]),
        topologies[0].partial,
    )
    return Problem(Pairs(torch.cat([c.vertex for c in costs]), torch.cat([c.edge for c in costs])), topology)
