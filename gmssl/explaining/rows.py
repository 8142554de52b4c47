"""The matches of many passes as one table: a row for each left node of each problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from gmssl.explaining.attribution import edge_shares, vertex_shares
from gmssl.explaining.watching import Watched
from gmssl.interfaces.registry import part
from gmssl.interfaces.solver import Solver
from gmssl.problem import Pairs, Problem, Topology, solve


@dataclass(frozen=True, eq=False)
class Rows:
    """R matches. Images are numbers in the sample, −1 where a node is none that is known.

    Attributes:
        pass_: number of the pass, `[R]`.
        problem: number of the matching problem, `[R]`.
        graph: number of the graph; equal in all passes, which match the same images anew, `[R]`.
        image, view: of the left node, `[R]`.
        partner, partner_view: of the node it was matched with, `[R]`.
        true_view: view of the true partner, `[R]`.
        right: whether the match is the true one, `[R]` bool.
        noisy: share of the true match under the estimator's noise, `[R]`, or NaN where there is none.
        chance: 1 / number of right nodes that were allowed, `[R]`.
        shares: energy difference to the truth that falls on this node, of each term, `[R,T]` float64.
        vertex_alone, edge_alone: whether the match is true when the problem is solved with these costs alone, `[R]`
            bool; False where that cannot be asked.
    """

    pass_: torch.Tensor
    problem: torch.Tensor
    graph: torch.Tensor
    image: torch.Tensor
    view: torch.Tensor
    partner: torch.Tensor
    partner_view: torch.Tensor
    true_view: torch.Tensor
    right: torch.Tensor
    noisy: torch.Tensor
    chance: torch.Tensor
    shares: torch.Tensor
    vertex_alone: torch.Tensor
    edge_alone: torch.Tensor

    def __len__(self) -> int:
        return len(self.right)

    def select(self, chosen: torch.Tensor) -> Rows:
        """The rows of a mask or index."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(self)))


def join(parts: Sequence[Rows]) -> Rows:
    """Tables one below the other, at least one."""
    return Rows(*(torch.cat([getattr(rows, field.name) for rows in parts]) for field in fields(Rows)))


@dataclass(frozen=True)
class Place:
    """Where a batch stands in the whole.

    Attributes:
        pass_: number of the pass.
        batch: number of the batch in it.
        batches: of a pass.
        images: in a batch.
        pairs: the (left view, right view) that are matched.
    """

    pass_: int
    batch: int
    batches: int
    images: int
    pairs: tuple[tuple[int, int], ...]


def judge_of(solver: Solver, edges: bool) -> Solver:
    """The run's solver; where that copies the target, the one that answers how well the costs would match."""
    if not solver.constant:
        return solver
    return part("solver", "robust_tabu" if edges else "lap")


def tabulate(watched: Watched, problem: Problem, judge: Solver, place: Place) -> Rows:
    """Solve a step's problem and compare it with the truth.

    Args:
        watched: the step.
        problem: the same without margin and noise.
        judge: solves it.
        place: of the batch.
    """
    assert problem.target is not None
    chosen, truth = _columns(solve(problem, judge).matching.vertex, problem), _truth(problem.target)
    graphs, n = truth.shape
    known = truth >= 0
    number = torch.arange(graphs)
    each = graphs // len(place.pairs) if graphs % len(place.pairs) == 0 else graphs
    partners, partner_views, true_views = _partners(watched, chosen, truth, place, each)
    noisy = (watched.step.solution.matching.vertex * problem.target).sum(2) / problem.target.sum(2).clamp(min=1e-12)
    alone = _alone(problem, judge)
    of_graph = {
        "pass_": torch.full((graphs,), place.pass_),
        "problem": (place.pass_ * place.batches + place.batch) * graphs + number,
        "graph": place.batch * each + number % each,
    }
    return Rows(
        **{name: values[:, None].expand(-1, n)[known] for name, values in of_graph.items()},
        image=_in_sample(watched.source, place)[known],
        view=_view(watched.source, place)[known],
        partner=partners[known],
        partner_view=partner_views[known],
        true_view=true_views[known],
        right=(chosen == truth)[known],
        noisy=noisy[known].double(),
        chance=1 / problem.topology.allowed.sum(2)[known].double(),
        shares=_shares(watched, problem, chosen, truth)[known],
        vertex_alone=(alone.vertex == truth)[known],
        edge_alone=(alone.edge == truth)[known],
    )


def _columns(matching: torch.Tensor, problem: Problem) -> torch.Tensor:
    """Partners `[G,n]`: the largest allowed entry of each row, or −1 for a row that is not matched."""
    allowed = problem.topology.allowed
    best = matching.masked_fill(~allowed, -torch.inf).argmax(2)
    return torch.where((matching * allowed != 0).any(2), best, -1)


def _truth(target: torch.Tensor) -> torch.Tensor:
    return torch.where((target > 0).any(2), target.argmax(2), -1)


def _shares(watched: Watched, problem: Problem, chosen: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """`[G,n,T]`."""
    found = [
        vertex_shares(term.costs, chosen, truth)
        if term.place == "vertex"
        else edge_shares(term.costs, problem.topology, chosen, truth)
        for term in watched.terms
    ]
    return torch.stack(found, 2)


def _alone(problem: Problem, judge: Solver) -> Pairs:
    """Partners `[G,n]` with vertex costs alone and with edge costs alone; −2, nobody's truth, without edges."""
    costs, topology = problem.costs, problem.topology
    if not costs.edge.numel() or judge.differentiable:
        nobody = torch.full(costs.vertex.shape[:2], -2)
        return Pairs(nobody, nobody)
    bare = Topology(topology.left[:, :0], topology.right[:, :0], topology.allowed, topology.partial)
    vertices = Problem(Pairs(costs.vertex, costs.edge[:, :0, :0]), bare)
    edges = problem.with_costs(Pairs(torch.zeros_like(costs.vertex), costs.edge))
    solvers = part("solver", "lap"), judge
    found = [
        _columns(solve(each, solver).matching.vertex, problem)
        for each, solver in zip((vertices, edges), solvers, strict=True)
    ]
    return Pairs(*found)


def _partners(
    watched: Watched, chosen: torch.Tensor, truth: torch.Tensor, place: Place, each: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image and view of the partners, and the view of the true partners, `[G,n]` each.

    A right node is known by the left node that it truly belongs to: it is the other view of that node's image.
    """
    graphs, n = truth.shape
    pairs = torch.tensor(place.pairs)[torch.arange(graphs) // each % len(place.pairs)]
    image, view = _in_sample(watched.source, place), _view(watched.source, place)
    other = torch.where(view == pairs[:, :1], pairs[:, 1:], pairs[:, :1])
    other = torch.where(image >= 0, other, -1)
    columns = watched.step.problem.costs.vertex.shape[2]
    beyond = columns  # a place for rows without truth or partner
    at = torch.where(truth >= 0, truth, beyond)
    of_column = torch.full((2, graphs, columns + 1), -1)
    of_column[0].scatter_(1, at, image)
    of_column[1].scatter_(1, at, other)
    of_column[:, :, beyond] = -1
    belongs = torch.zeros(graphs, columns + 1).scatter_add_(1, at, torch.ones(graphs, n))
    of_column[:, belongs > 1] = -1  # a prototype is the truth of many images, and so none of them
    taken = torch.where(chosen >= 0, chosen, beyond)
    return of_column[0].gather(1, taken), of_column[1].gather(1, taken), other


def _in_sample(source: torch.Tensor, place: Place) -> torch.Tensor:
    return torch.where(source >= 0, place.batch * place.images + source % place.images, -1)


def _view(source: torch.Tensor, place: Place) -> torch.Tensor:
    return torch.where(source >= 0, source // place.images, -1)
