"""What only a GPU can show: no mix of devices, generators of the device, the torch version of the search."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gmssl
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.health import measure
from gmssl.objective.objective import MatchingObjective
from gmssl.problem import Problem
from gmssl.recipe.recipe import load_recipe
from gmssl.system.clock import StageClock
from gmssl.testing.strategies import knn_problem

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def on_gpu(problem: Problem) -> Problem:
    topology = problem.topology
    return Problem.build(
        problem.costs.vertex.cuda(),
        topology.left.cuda(),
        topology.right.cuda(),
        problem.costs.edge.cuda(),
        topology.allowed.cuda(),
    )


@pytest.mark.parametrize("kind", ["lap", "robust_tabu", "exhaustive"])
def test_solvers_agree_with_the_cpu(kind: str) -> None:
    solver = gmssl.part("solver", kind)
    problem = knn_problem(seed=0, graphs=6, n=6, neighbours=0 if kind == "lap" else 2)
    here, there = gmssl.solve(problem, solver), gmssl.solve(on_gpu(problem), solver)
    assert there.matching.vertex.is_cuda
    torch.testing.assert_close(there.energy.cpu(), here.energy, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_step_with_finished_views(settings_of_a_recipe: dict[str, Any], precision: torch.dtype) -> None:
    settings_of_a_recipe["views"] = {"kind": "multi_crop", "large": 2, "large_size": 64}
    recipe = load_recipe(settings_of_a_recipe)
    device = torch.device("cuda")
    objective = MatchingObjective(recipe).to(device)
    columns = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 1.0])  # no jitter, a blur of one pixel
    batch = ViewBatch(
        images=tuple(torch.randint(256, (8, 3, 64, 64), dtype=torch.uint8) for _ in range(2)),
        affines=torch.eye(2, 3).expand(2, 8, 2, 3).contiguous(),
        photometric=columns.expand(2, 8, 6).contiguous(),
        index=torch.arange(8),
        unreadable=torch.full((8,), -1),
    )
    batch = recipe.views.finish(batch.pin_memory().to(device, non_blocking=True))
    with torch.autocast("cuda", dtype=precision, enabled=precision != torch.float32):
        step = objective(batch, torch.Generator(device).manual_seed(0), StageClock(torch.cuda.synchronize))
    step.loss.backward()
    assert step.problem.costs.vertex.dtype == torch.float32
    assert all(bool(torch.isfinite(w.grad).all()) for w in objective.parameters() if w.grad is not None)
    assert 0 <= measure(step, recipe.solver)["match_accuracy_noiseless"] <= 1
