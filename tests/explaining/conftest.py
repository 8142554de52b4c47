"""A small run for each kind of matching that a report must cope with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gmssl.explaining.run import TrainedRun
from gmssl.recipe.recipe import load_recipe
from gmssl.training.model import make_objective

TINY = """
seed: 3
data: {kind: phantoms, number: 48, size: 32}
views: {kind: multi_crop, large: 2, large_size: 24}
encoder: {kind: timm, name: resnet18, in_channels: 1, channels: [8, 8, 8, 8], output_stride: 16}
projector: {kind: mlp, widths: [8]}
vertices: {kind: images, per_graph: 8}
graph: {kind: knn, neighbours: 3}
message_passing: unchanged
affinity:
  vertex: [{kind: cosine, weight: 0.8}, {kind: nearest_patches, by: position, weight: 0.2}]
  edge: [{kind: cosine_of_differences, epsilon: 0.1, weight: 0.3}]
solver: {kind: robust_tabu, starts: 4, iterations: 10}
estimator: {kind: imle, samples: 2, noise: {kind: gumbel, temperature: 0.3}}
loss: hamming
optimiser: adamw
schedule: constant
train: {batch: 16}
"""
EDGELESS = {"graph": "edgeless", "affinity": {"vertex": ["cosine"]}}
ROWS = EDGELESS | {"solver": {"kind": "row_softmax"}, "estimator": "exact", "loss": "likelihood"}
KINDS: dict[str, dict[str, Any]] = {
    "matched": {},
    "both_views": ROWS | {"vertices": "both_views", "target": "swap"},
    "queue": ROWS | {"vertices": {"kind": "queue", "size": 20}, "teacher": {}},
    "prototypes": ROWS | {"vertices": {"kind": "prototypes", "number": 6}, "target": "sinkhorn"},
    "channels": EDGELESS
    | {"vertices": "channels", "affinity": {"vertex": ["inner_product"]}, "solver": "unconstrained", "loss": "squared"}
    | {"estimator": "exact"},
    "given": EDGELESS | {"solver": "given", "estimator": "exact", "loss": "energy"},
}


@pytest.fixture(scope="session")
def untrained() -> Callable[[str], TrainedRun]:
    """A run of a kind with its first weights; attribution and counting do not ask how good they are."""

    @functools.cache
    def of(kind: str) -> TrainedRun:
        recipe = load_recipe(yaml.safe_load(TINY) | KINDS[kind])
        return TrainedRun(Path("nowhere"), recipe, make_objective(recipe), 0)

    return of
