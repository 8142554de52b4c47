"""The solve under target costs, skipped where its answer is proven beforehand."""

from __future__ import annotations

from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.estimators.certificate import lifted, proves_optimal
from gmssl.problem import BackwardRecord, Matching, Pairs, Problem, solve


def solve_unless_certain(solver: Solver, shifted: Problem, record: BackwardRecord) -> Matching:
    """Solutions of `shifted`; an instance whose target is proven to be its solution is not solved.

    Args:
        solver: the solver of all other instances.
        shifted: G problems under target costs; without `target` all are solved.
        record: gets the shares `certified` and `target_is_truth`.

    Returns:
        `Pairs` of `vertex [G,n,m]` and `edge [G,E,F]`.
    """
    target = shifted.target
    if target is None or solver.differentiable:  # a relaxed solution is no matching, so there is nothing to prove
        return solve(shifted, solver).matching
    truth = lifted(target.to(shifted.costs.vertex.dtype), shifted.topology)
    certain = proves_optimal(shifted, target)
    if len(certain) == 0:
        return truth
    record.certified = float(certain.float().mean())
    record.target_is_truth = record.certified
    if bool(certain.all()):
        return truth
    open_ = (~certain).nonzero().flatten()
    solved = solve(shifted.select(open_), solver).matching
    hits = (solved.vertex == target[open_]).all(2).all(1).sum()
    record.target_is_truth += float(hits) / len(certain)
    return Pairs(
        torch.index_copy(truth.vertex, 0, open_, solved.vertex), torch.index_copy(truth.edge, 0, open_, solved.edge)
    )
