"""Transforms of `torch.func`: through derivatives of autograd, or refused in a sentence that says what to do."""

import pytest
import torch

import gmssl
from gmssl.errors import ProblemError
from gmssl.interfaces.registry import find, kinds
from gmssl.problem import Pairs
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.variants import edgeless

PROBLEM = edgeless(paired_embeddings(2, 4, noise=1))
ESTIMATORS = [kind for kind in kinds("estimator") if find("estimator", kind).__module__.startswith("gmssl.parts.")]
SOLVERS = [kind for kind in kinds("solver") if find("solver", kind).__module__.startswith("gmssl.parts.")]
TRANSFORMS = {
    "grad": lambda loss, x: torch.func.grad(loss)(x),
    "jvp": lambda loss, x: torch.func.jvp(loss, (x,), (x,)),
    "vmap": lambda loss, x: torch.func.vmap(loss)(x[None]),
}


def loss_of(match):
    return lambda vertex: match(PROBLEM.with_costs(Pairs(vertex, PROBLEM.costs.edge))).matching.vertex[:, 0].sum()


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("solver", ["lap", "row_softmax"])
@pytest.mark.parametrize("kind", [kind for kind in ESTIMATORS if kind != "exact"])
def test_estimators_refuse(kind, solver, transform):
    estimator, solver = gmssl.part("estimator", kind), gmssl.part("solver", solver)
    loss = loss_of(lambda problem: estimator.match(solver, problem, None))
    with pytest.raises(ProblemError, match=r"torch\.func .* backward\(\)"):
        TRANSFORMS[transform](loss, PROBLEM.costs.vertex)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("kind", [kind for kind in SOLVERS if not find("solver", kind).differentiable])
def test_one_to_one_solvers_refuse(kind, transform):
    loss = loss_of(lambda problem: gmssl.solve(problem, gmssl.part("solver", kind)))
    with pytest.raises(ProblemError, match=rf"{kind}.* torch\.func"):
        TRANSFORMS[transform](loss, PROBLEM.costs.vertex)


def test_differentiable_solvers_are_differentiated():
    estimator, solver = gmssl.part("estimator", "exact"), gmssl.part("solver", "row_softmax")
    loss = loss_of(lambda problem: estimator.match(solver, problem, None))
    vertex = PROBLEM.costs.vertex.clone().requires_grad_()
    (expected,) = torch.autograd.grad(loss(vertex), vertex)
    torch.testing.assert_close(torch.func.grad(loss)(PROBLEM.costs.vertex), expected)
