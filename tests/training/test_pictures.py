"""Pictures show what they say: colours are counted in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gmssl import Problem, part
from gmssl.interfaces.vertices import Arrangement
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.matcher import Step
from gmssl.problem import solve
from gmssl.system.table import Table
from gmssl.training.pictures import draw_curves, draw_matched

N = 6
GREEN, RED = (42, 157, 74), (209, 53, 43)


def _step(right: int, relabelling: torch.Tensor) -> Step:
    """A graph pair of which `right` nodes prefer their true partner and the others their neighbour's."""
    target = torch.eye(N)[:, relabelling][None]
    believed = torch.eye(N)
    believed[right:, right:] = believed[right:, right:].roll(1, 1)
    edges = torch.tensor([[[i, (i + 1) % N] for i in range(N)]])
    problem = Problem.build(-believed[:, relabelling][None], edges, edges, torch.zeros(1, N, N), None, target)
    nodes = torch.zeros(1, N, 2)
    source = torch.arange(N)[None]
    arrangement = Arrangement(nodes, nodes, torch.ones(1, N, N).bool(), (source, source + N))
    solution = solve(problem, part("solver", "lap"))
    return Step(
        torch.tensor(1.0),
        problem,
        solution,
        arrangement,
        torch.zeros(2, N, 2),
        (nodes, nodes),
        (edges, edges),
        relabelling[None],
        0.0,
    )


def _batch(channels: int) -> ViewBatch:
    images = tuple(torch.full((N, channels, 16, 16), 0.5) for _ in range(2))
    return ViewBatch(images, torch.zeros(2, N, 2, 3), torch.zeros(2, N, 1), torch.arange(N), torch.full((N,), -1))


def _image(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def _pixels(path: Path, colour: tuple[int, int, int]) -> int:
    return int((np.abs(_image(path) - colour).max(2) < 12).sum())


@pytest.mark.parametrize("right", [0, 4, N])
@pytest.mark.parametrize("channels", [1, 3])
def test_green_is_true_and_red_is_false(tmp_path: Path, right: int, channels: int) -> None:
    step = _step(right, torch.randperm(N, generator=torch.Generator().manual_seed(right)))
    accuracy = draw_matched(step, _batch(channels), part("solver", "lap"), tmp_path / "m.png")
    assert accuracy == pytest.approx(right / N)
    assert (_pixels(tmp_path / "m.png", GREEN) > 100) == (right > 0)
    assert (_pixels(tmp_path / "m.png", RED) > 100) == (right < N)


def test_curves_of_whatever_columns_there_are(tmp_path: Path) -> None:
    metrics, probe = Table(tmp_path / "metrics.csv"), Table(tmp_path / "probe.csv")
    draw_curves(metrics, probe, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    metrics.append({"step": 1, "loss": 2.0, "duality_gap": None})
    draw_curves(metrics, probe, tmp_path / "one.png")
    probe.append({"step": 0, "epoch": 0, "knn_accuracy": 0.5})
    metrics.append({"step": 2, "loss": 1.0, "duality_gap": 0.25})
    draw_curves(metrics, probe, tmp_path / "three.png")
    widths = [_image(tmp_path / name).shape[1] for name in ("one.png", "three.png")]
    assert widths[1] == 3 * widths[0]  # loss; then loss, gap and probe beside each other
