"""What the run's parts make of a report: the templates ask here which sentences are true of it."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.explaining.report import Report


@dataclass(frozen=True)
class Method:
    """Parts of the main problem, and what follows from them.

    Attributes:
        vertices, graph, solver, estimator, loss: their kinds.
        judge: kind of the solver that matched here; the run's, unless that copies the target.
        copies_target: whether the run's solver never looks at the costs.
        relaxed: whether rows choose their partners without regard to each other.
        learnt_truth: whether the target is itself learnt.
        images_known: whether left nodes are images.
        partners_known: whether wrong partners are images of the sample, too.
        has_edges: whether the problem is of second order.
        has_noise: whether the estimator's solution differs from the noiseless one.
    """

    vertices: str
    graph: str
    solver: str
    estimator: str
    loss: str
    judge: str
    copies_target: bool
    relaxed: bool
    learnt_truth: bool
    images_known: bool
    partners_known: bool
    has_edges: bool
    has_noise: bool


def method_of(report: Report) -> Method:
    """The method of a report's run."""
    recipe = report.run.recipe
    return Method(
        vertices=recipe.vertices.kind,
        graph=recipe.graph.kind,
        solver=recipe.solver.kind,
        estimator=recipe.estimator.kind,
        loss=recipe.loss.kind,
        judge=report.passes.judge.kind,
        copies_target=recipe.solver.constant,
        relaxed=report.relaxed,
        learnt_truth=report.learnt_truth,
        images_known=report.images_known,
        partners_known=report.partners_known,
        has_edges=report.has_edges,
        has_noise=report.has_noise,
    )
