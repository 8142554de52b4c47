"""Pictures show what they say: colours are counted in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from gmssl.training import drawing
from gmssl.training.drawing import draw_curves, draw_matched

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
    assert widths[1] == 3 * widths[0]  # loss; then probe, loss and gap beside each other


def _curves(folder: Path, monkeypatch: pytest.MonkeyPatch, probed: bool, **columns: tuple[float, float, float]) -> Any:
    """The figure of curves.png of a run with three rows, laid out but not written."""
    metrics, probe = Table(folder / "metrics.csv"), Table(folder / "probe.csv")
    for row in range(3):
        metrics.append({"step": row + 1, **{name: numbers[row] for name, numbers in columns.items()}})
        if probed:
            probe.append({"step": row + 1, "epoch": row, "knn_accuracy": 0.5 + row / 10})
    drawn: list[Any] = []
    monkeypatch.setattr(drawing, "_save", lambda figure, path: drawn.append(figure))
    draw_curves(metrics, probe, folder / "curves.png")
    (figure,) = drawn
    figure.draw_without_rendering()
    return figure


ACCURACY = {
    "match_accuracy": (0.0, 0.5, 1.0),
    "match_accuracy_noiseless": (1.0, 0.5, 0.0),
    "match_accuracy_chance": (0.25, 0.25, 0.25),
}


def test_curves_tell_first_what_matters_and_hide_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = _curves(tmp_path, monkeypatch, True, gradient_norm=(1, 2, 3), loss=(3, 2, 1), **ACCURACY)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["kNN accuracy of the probe", "match accuracy", "loss", "gradient norm"]
    for ax in figure.axes[:2]:
        assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1
        assert {label.get_text()[-1] for label in ax.get_yticklabels()} == {"%"}
    legends = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in figure.axes[:2]]
    assert legends == [["trained encoder", "untrained encoder"], ["under noise", "without noise", "chance"]]
    assert list(figure.axes[0].get_lines()[1].get_ydata()) == [0.5, 0.5]


def test_what_never_changes_has_no_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = {"learning_rate": (0.001,) * 3, "certified": (1.0,) * 3, "target_is_truth": (1.0,) * 3}
    figure = _curves(tmp_path, monkeypatch, False, loss=(2, 2, 2), duality_gap=(1, 1, 2), **flat)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["loss", "duality gap"]  # a loss is looked for
    told = figure.get_supxlabel()
    assert "learning rate 0.001" in told
    assert "second solves certified 100%" in told


def test_equal_lines_are_one_with_both_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    equal = {**ACCURACY, "match_accuracy_noiseless": ACCURACY["match_accuracy"]}
    (ax,) = _curves(tmp_path, monkeypatch, False, **equal).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["under noise = without noise", "chance"]
