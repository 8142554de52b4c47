"""`solve` finds a matching by a solver, which carries the settings; `certify` bounds any given matching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Protocol

from gmssl.errors import ProblemError
from gmssl.lazy import torch
from gmssl.problem.gap import beyond_rounding, difference_of
from gmssl.problem.pairs import Pairs, energy, lift
from gmssl.problem.problem import Problem, Solution
from gmssl.problem.topology import Topology

PROVEN = 1e-6
"""The relative gap at which `certify` calls a given matching proven."""


class MatchingSolver(Protocol):
    """What `solve` asks of a solver. Parts derive from `gmssl.interfaces.solver.Solver`, which says more."""

    @property
    def kind(self) -> str:
        """Its name, which messages tell."""

    @property
    def differentiable(self) -> bool:
        """Whether it gives relaxed matchings, with gradients."""

    @property
    def uses_edges(self) -> bool:
        """Whether it reads the costs of edges."""

    @property
    def gives_bound(self) -> bool:
        """Whether it returns proven lower bounds."""

    @property
    def constant(self) -> bool:
        """Whether the matching does not depend on the costs."""

    @property
    def solves_partial(self) -> bool:
        """Whether it takes partial problems as they are; others get them `completed`."""

    def solve(self, problem: Problem) -> Solution:
        """Solve a checked problem on its own device."""


def solve(problem: Problem, solver: MatchingSolver) -> Solution:
    """What `gmssl.solve` does, by anything with the attributes of `MatchingSolver`: names of kinds are not known here.

    Raises:
        ProblemError: the problem and the solver do not fit, a vertex has no allowed partner, or the costs are those of
            a `torch.func` transform, which only differentiable solvers take.
    """
    costs = problem.costs
    if not solver.differentiable:
        refuse_transformed(problem, f"solver {solver.kind!r}")
    if not solver.uses_edges and costs.edge.numel() and bool((costs.edge != 0).any()):
        raise ProblemError(
            f"solver {solver.kind!r} does not read edge costs, but the problem has {costs.edge.shape[1]}×"
            f"{costs.edge.shape[2]} of them; use a second-order solver (robust_tabu, exhaustive) or pass no edges."
        )
    if problem.topology.partial:
        if not solver.solves_partial:
            return _by_completion(problem, solver, lambda whole: solve(whole, solver))
    elif not solver.constant:  # solvers that copy the target need no partners, and padded graphs of `patches` lack some
        _refuse_lonely(problem, solver.differentiable)
    if len(costs.vertex) == 0:
        return _nothing(problem, solver)
    with torch.no_grad() if not solver.differentiable else torch.enable_grad():
        return solver.solve(problem)


def certify(problem: Problem, matching: torch.Tensor, solver: MatchingSolver) -> Solution:
    """What `gmssl.certify` does for a matching `[G,n,m]`, by anything with the attributes of `MatchingSolver`.

    Raises:
        ProblemError: `matching` is no matching of this problem, or the solver gives no bound.
    """
    if not solver.gives_bound:
        raise ProblemError(f"solver {solver.kind!r} gives no bound; use lagrange, exact, or lap without edges.")
    _refuse_infeasible(problem, matching)
    solved = solve(problem, solver)
    assert solved.bound is not None, f"{solver.kind} declares gives_bound and returns none"
    lifted = lift(matching.to(problem.costs.vertex.dtype), problem.topology)
    costs = problem.costs.map(torch.Tensor.double)
    given, best, paid = (
        energy(c, found.map(torch.Tensor.double))
        for c, found in ((costs, lifted), (costs, solved.matching), (costs.map(torch.Tensor.abs), lifted))
    )
    # From the solver's matching, since its bound has lost what the dtype of the costs does not hold.
    above = given - best + difference_of(solved.energy, solved.bound, solved.difference)
    certified = Solution(
        lifted,
        given.to(problem.costs.vertex.dtype),
        solved.bound,
        converged=torch.zeros_like(solved.converged),
        difference=beyond_rounding(above, paid),
        decisive=solved.decisive,
    )
    return certified.judged(PROVEN)


def refuse_transformed(problem: Problem, by: str) -> None:
    """Raise if tensors of the problem belong to a transform of `torch.func`, which hides the numbers in them.

    Args:
        problem: G matching problems.
        by: who needs the numbers, for the message.

    Raises:
        ProblemError: with what to do instead.
    """
    costs, topology = problem.costs, problem.topology
    tensors = (costs.vertex, costs.edge, topology.left, topology.right, topology.allowed)
    if any(torch._C._functorch.is_functorch_wrapped_tensor(x) for x in tensors):
        raise ProblemError(
            f"{by} cannot run under transforms of torch.func (grad, vmap, jvp, …); take gradients by backward() or "
            "torch.autograd.grad, and put several problems into one batch [G,n,m]."
        )


def completed(problem: Problem) -> Problem:
    """A problem whose complete matchings are the partial matchings of the given one, at equal energy.

    The longer side is padded with min(n, m) interchangeable dummies, which are allowed to all vertices and free: a
    vertex that is matched with a dummy is left out.
    """
    n, m = problem.costs.vertex.shape[1:]
    sides = (0, n) if n <= m else (0, 0, 0, m)
    vertex = torch.nn.functional.pad(problem.costs.vertex, sides)
    allowed = torch.nn.functional.pad(problem.topology.allowed, sides, value=True)
    topology = Topology(problem.topology.left, problem.topology.right, allowed, dummies=min(n, m))
    return Problem(Pairs(vertex, problem.costs.edge), topology)  # without the target, which says nothing about dummies


def completing(solve: Callable[..., Solution]) -> Callable[..., Solution]:
    """A method `solve` that knows complete problems only, as one that takes partial problems, too."""

    @wraps(solve)
    def solve_any(self: MatchingSolver, problem: Problem, *more: object, **named: object) -> Solution:
        if self.solves_partial or not problem.topology.partial:
            return solve(self, problem, *more, **named)
        return _by_completion(problem, self, lambda whole: solve(self, whole, *more, **named))

    return solve_any


def _by_completion(problem: Problem, solver: MatchingSolver, solve_whole: Callable[[Problem], Solution]) -> Solution:
    """Solve a partial problem by one without partial matchings, and take the dummies away again.

    Raises:
        ProblemError: the solver is relaxed, and dummies would share the rows with real vertices.
    """
    if solver.differentiable:
        raise ProblemError(
            f"solver {solver.kind!r} gives relaxed matchings and the problem is partial; use a one-to-one solver "
            "(robust_tabu, lap, exhaustive, lagrange)."
        )
    n, m = problem.costs.vertex.shape[1:]
    solution = solve_whole(completed(problem))
    return replace(solution, matching=Pairs(solution.matching.vertex[:, :n, :m], solution.matching.edge))


def _refuse_lonely(problem: Problem, relaxed: bool) -> None:
    """A vertex of the shorter side without any allowed partner; relaxed solvers fill rows, and leave columns empty."""
    allowed = problem.topology.allowed
    if relaxed and allowed.shape[1] > allowed.shape[2]:
        return  # they say themselves what rows need
    shorter = allowed if allowed.shape[1] <= allowed.shape[2] else allowed.transpose(1, 2)
    partners = shorter.any(2)
    if not bool(partners.all()):
        graph, vertex = (int(i) for i in (~partners).nonzero()[0])
        side = "left" if shorter is allowed else "right"
        raise ProblemError(
            f"instance {graph} allows no partner for {side} vertex {vertex}; allow at least one pair, or make the "
            "problem partial."
        )


def _refuse_infeasible(problem: Problem, matching: torch.Tensor) -> None:
    if matching.shape != problem.costs.vertex.shape:
        raise ProblemError(
            f"matching has shape {list(matching.shape)}, vertex costs {list(problem.costs.vertex.shape)}; pass [G,n,m]."
        )
    matched = matching > 0
    legal = (matching == matched).all(2).all(1) & (matched.sum(1) <= 1).all(1) & (matched.sum(2) <= 1).all(1)
    legal &= ~(matched & ~problem.topology.allowed).any(2).any(1)
    if not problem.topology.partial:
        legal &= matched.sum((1, 2)) == min(matching.shape[1:])
    if not bool(legal.all()):
        graph = int((~legal).nonzero()[0])
        raise ProblemError(
            f"instance {graph} of matching does not fit this problem; pass 0 and 1, one to one, allowed pairs only, "
            "and the whole shorter side unless the problem is partial."
        )


def _nothing(problem: Problem, solver: MatchingSolver) -> Solution:
    """The solution of an empty batch, so that solvers need no case for it."""
    costs = problem.costs
    none = costs.vertex.sum((1, 2)) * 0  # on the autograd graph, as those of any batch
    matching = costs.map(lambda x: x * 0)
    if not solver.differentiable:
        none, matching = none.detach(), matching.detach()
    converged = torch.ones(0, dtype=torch.bool, device=none.device)
    bound = none.clone() if solver.gives_bound else None
    return Solution(matching, none, bound, converged, agreed=converged)  # of no instance, whatever the solver has
