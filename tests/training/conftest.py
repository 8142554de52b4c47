"""A training of seconds: phantoms of 48 pixels, a ResNet-18 of 8 to 16 channels."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from gmssl.recipe.recipe import Recipe, load_recipe

TINY = """
seed: 3
data: {kind: phantoms, number: 72, size: 48}
views: {kind: multi_crop, large: 2, large_size: 32}
encoder: {kind: timm, name: resnet18, in_channels: 1, channels: [8, 8, 16, 16], output_stride: 16}
projector: {kind: mlp, widths: [16]}
vertices: {kind: images, per_graph: 8}
graph: {kind: knn, neighbours: 3}
message_passing: unchanged
affinity:
  vertex: [{kind: cosine, weight: 0.8}]
  edge: [{kind: cosine_of_differences, epsilon: 0.1}]
solver: {kind: robust_tabu, starts: 4, iterations: 10}
estimator: {kind: imle, strength: 80, noise: {kind: gumbel, temperature: 0.3}}
loss: hamming
optimiser: {kind: adamw, learning_rate: 1.0e-3}
schedule: {kind: halving}
train: {epochs: 3, batch: 16, workers: 0, log_every: 1, checkpoint_every: 2, picture_every: 100, accelerator: cpu}
"""


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Recipe]:
    """`tiny("train.epochs=1", …)`: the recipe above with overrides."""

    def make(*overrides: str) -> Recipe:
        settings: dict[str, Any] = yaml.safe_load(TINY)
        return load_recipe(settings, overrides)

    return make


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums of floats depend on the number of threads; subprocesses of these tests have one as well."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def console() -> Console:
    """A console whose text is in `console.file.getvalue()`."""
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="session")
def whole(tiny: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of three epochs of four steps, with a probe; shared, so do not change it."""
    from gmssl.training.run import train

    folder = tmp_path_factory.mktemp("runs") / "whole"
    probe = "probe={data: {kind: phantoms, number: 40, size: 48, seed: 1}, every: 2, neighbours: 5, folds: 2}"
    file = io.StringIO()
    train(tiny("train.keep_every=2", probe), "tiny", folder, None, Console(file=file, width=200))
    (folder / "console.txt").write_text(file.getvalue())
    return folder
