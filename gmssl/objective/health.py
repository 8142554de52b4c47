"""Whether a run learns or has collapsed, as numbers of one step and in plain words."""

from __future__ import annotations

import math

import torch

from gmssl.interfaces.solver import Solver
from gmssl.objective.matcher import Step
from gmssl.parts.affinities.edges import differences
from gmssl.problem import solve


@torch.no_grad()
def measure(step: Step, solver: Solver) -> dict[str, float]:
    """Measure the health of one step. This costs one more solve, so call it on logged steps only.

    Returns:
        match_accuracy: share of nodes matched to their own other view, under the estimator's noise.
        match_accuracy_noiseless: the same share without noise and margin.
        match_accuracy_chance: what a random permutation reaches, 1/m.
        zero_difference_edges: share of edges whose ends have (nearly) the same embedding.
        within_graph_cosine: mean cosine of two nodes of a graph.
        feature_rank: effective rank of the embeddings (RankMe, Garrido et al. 2023), between 1 and min(V·B, D).
        duality_gap: mean of energy − bound, or NaN if the solver gives no bound.
        left_out: number of images of the batch that are in no graph.
    """
    target = step.problem.target
    assert target is not None, "the objective always sets a target"
    noiseless = solve(step.without_margin(), solver)
    bound = step.solution.bound
    left, _ = step.nodes
    return {
        "match_accuracy": _accuracy(step.solution.matching.vertex, target),
        "match_accuracy_noiseless": _accuracy(noiseless.matching.vertex, target),
        "match_accuracy_chance": 1.0 / target.shape[2],
        "zero_difference_edges": zero_difference_edges(left, step.edges[0]),
        "within_graph_cosine": within_graph_cosine(left),
        "feature_rank": effective_rank(step.embeddings_VBD.flatten(0, 1)),
        "duality_gap": math.nan if bound is None else float((step.solution.energy - bound).mean()),
        "left_out": float(step.arrangement.left_out),
    }


def collapse(metrics: dict[str, float]) -> str | None:
    """What the numbers of `measure` say about a collapsed run, with the remedy; None for a healthy one."""
    if metrics["feature_rank"] < 2:
        return (
            f"the embeddings have collapsed to effective rank {metrics['feature_rank']:.1f}: all images look alike. "
            "Lower optimiser.learning_rate, or use message_passing: unchanged."
        )
    if metrics["zero_difference_edges"] > 0.25:
        return (
            f"{metrics['zero_difference_edges']:.0%} of the edges join nodes with equal embeddings: message passing "
            "has over-smoothed the graphs; their edge affinities say nothing. Set message_passing.residual=true, or "
            "use message_passing: unchanged."
        )
    if metrics["within_graph_cosine"] > 0.99:
        return (
            f"nodes of one graph have a mean cosine of {metrics['within_graph_cosine']:.3f}: costs hardly differ, and "
            "noise decides the matching. Use message_passing: unchanged or a residual, or lower the noise temperature."
        )
    return None


def _accuracy(matching: torch.Tensor, target: torch.Tensor) -> float:
    return float((matching * target).sum() / target.sum())


def zero_difference_edges(nodes_GnD: torch.Tensor, edges_GE2: torch.Tensor, relative: float = 1e-3) -> float:
    """Share of edges shorter than `relative` times the root-mean-square norm of the nodes; 0 without edges."""
    if edges_GE2.shape[1] == 0:
        return 0.0
    size = nodes_GnD.square().sum(2).mean().sqrt()
    return float((differences(nodes_GnD, edges_GE2).norm(dim=2) <= relative * size).float().mean())


def within_graph_cosine(nodes_GnD: torch.Tensor) -> float:
    """Mean cosine of two different nodes of a graph."""
    unit = torch.nn.functional.normalize(nodes_GnD, dim=2)
    n = unit.shape[1]
    # Σ_{i≠j} ⟨u_i, u_j⟩ = |Σ u_i|² − Σ |u_i|²
    total = unit.sum(1).square().sum(1) - unit.square().sum((1, 2))
    return float((total / (n * (n - 1))).mean())


def effective_rank(embeddings_ND: torch.Tensor) -> float:
    """exp of the entropy of the normalised singular values (RankMe, Garrido et al. 2023, Eq. 1), uncentred."""
    values = torch.linalg.svdvals(embeddings_ND.float())
    share = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    return float(torch.exp(-(share * (share + 1e-7).log()).sum()))
