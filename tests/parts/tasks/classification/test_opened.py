from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.registry import part
from gmssl.parts.tasks.classification.opened import Classified, Classifier


class Mean(torch.nn.Module):
    """A backbone of one feature: the mean of the pixels. It counts the images that it sees."""

    in_channels, mean, std, width = 1, (0.5,), (0.5,), 1
    channels: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()

    def __init__(self, frozen: bool) -> None:
        super().__init__()
        self.frozen, self.seen = frozen, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return images.mean((1, 2, 3))[:, None]


def save(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    return [
        Case(f"c{n}", {"image": save(tmp_path / f"{n}.png", np.full((12, 10), 20 * n))}, str(n % 3)) for n in range(9)
    ]


def opened(cases: list[Case], **settings: object) -> Classified:
    return part("task", "classification", **({"size": 16} | settings)).open(cases, 1)


def batch(task: Classified, count: int = 9) -> object:
    examples = task.testing(range(count))
    return task.collate([examples[n] for n in range(len(examples))])


def test_images_are_whole_and_in_order(cases: list[Case]) -> None:
    given = batch(opened(cases))
    assert given["images"].shape == (9, 1, 16, 16)  # type: ignore[index]
    assert given["images"].float().mean((1, 2, 3)).tolist() == [20 * n for n in range(9)]  # type: ignore[index]
    assert given["labels"].tolist() == [0, 1, 2] * 3  # type: ignore[index]


def test_an_epoch_has_every_case_once_and_depends_on_seed_and_number(cases: list[Case]) -> None:
    task = opened(cases)
    orders = [tuple(task.training(range(3, 9), seed).epoch(number)) for seed in (0, 1) for number in (0, 1)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len(set(orders)) == 4
    assert tuple(task.training(range(3, 9), 1).epoch(1)) == orders[3]


def test_changes_depend_on_seed_epoch_and_case_alone(cases: list[Case], tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (40, 30))
    save(tmp_path / "0.png", values)
    change = {"scale": [0.4, 0.8], "flip": 0.5, "rotation": 20, "brightness": 0.2}
    task = opened(cases, augmentation=change)
    images = [task.training([0, 1], seed)[epoch, 0].image for seed in (0, 1) for epoch in (0, 1)]
    assert len({image.numpy().tobytes() for image in images}) == 4
    assert torch.equal(images[3], task.training([2, 0], 1)[1, 1].image)


@pytest.mark.parametrize("scale", [(0.3, 0.3), (0.999, 1.0)])
def test_a_crop_keeps_the_share_of_the_area_that_is_asked_for(scale: tuple[float, float]) -> None:
    from gmssl.parts.tasks.classification.examples import _crop

    for seed in range(50):
        left, top, right, bottom = _crop((200, 100), scale, np.random.default_rng(seed))
        assert 0 <= left < right <= 200
        assert 0 <= top < bottom <= 100
        share = (right - left) * (bottom - top) / 20_000
        assert share <= scale[1] + 1e-9
        assert share >= scale[0] * 0.75 - 1e-9


def test_features_of_a_frozen_encoder_are_computed_once(cases: list[Case]) -> None:
    task = opened(cases)
    for frozen, seen in ((True, 9), (False, 27)):
        backbone = Mean(frozen)
        networks = [task.network(backbone) for _ in range(2)]  # type: ignore[arg-type]
        first = networks[0].predict(batch(task))  # type: ignore[arg-type]
        networks[0].predict(batch(task))  # type: ignore[arg-type]
        networks[1].predict(batch(task))  # type: ignore[arg-type]
        assert backbone.seen == seen
        torch.testing.assert_close(first, networks[0].predict(batch(task)))  # type: ignore[arg-type]


def test_the_loss_is_cross_entropy_weighed_by_class(cases: list[Case]) -> None:
    few = [case for case in cases if case.name != "c0"]
    task = opened(few, balanced_loss=True)
    network: Classifier = task.network(Mean(False))  # type: ignore[arg-type]
    given = batch(task, 8)
    probabilities = network.predict(given).double()  # type: ignore[arg-type]
    labels = torch.tensor([int(str(case.label)) for case in few])
    weights = (8 / (3 * torch.tensor([2.0, 3.0, 3.0])))[labels].double()
    expected = -(weights * probabilities[torch.arange(8), labels].log()).sum() / weights.sum()
    torch.testing.assert_close(network.loss(given).double(), expected, rtol=1e-5, atol=0)  # type: ignore[arg-type]


def test_heads_have_the_widths_that_are_asked_for(cases: list[Case]) -> None:
    network = opened(cases, hidden=[5, 4]).network(Mean(False))  # type: ignore[arg-type]
    assert [m.out_features for m in network.head if isinstance(m, torch.nn.Linear)] == [5, 4, 3]


def test_pictures_are_drawn_of_what_is_kept(cases: list[Case], tmp_path: Path) -> None:
    task = opened(cases)
    scoring = task.scoring(range(9), keep=True)
    scoring.add(batch(task), task.network(Mean(True)).predict(batch(task)))  # type: ignore[arg-type]
    paths = scoring.write(tmp_path / "pictures")
    assert [path.name for path in paths] == [f"c{n}.png" for n in range(9)]
    assert all(path.is_file() for path in paths)


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        (["a", None, "b"], {}, "c1 has no label. Set cases.label"),
        (["a", "a", "a"], {}, "all cases have the label 'a'"),
        (["a", "b", "c"], {"classes": ["a", "b"]}, "c2 has the label 'c'. task.classes are a, b"),
        (["1", "2", "1.0"], {"grades": True}, "'1.0' is no whole number"),
    ],
)
def test_faulty_labels_are_told(
    cases: list[Case], labels: list[str | None], settings: dict[str, object], message: str
) -> None:
    given = [Case(f"c{n}", cases[n].files, label) for n, label in enumerate(labels)]
    with pytest.raises(DataError, match=message):
        opened(given, **settings)


def test_grades_are_in_the_order_of_numbers(cases: list[Case]) -> None:
    given = [Case(f"c{n}", cases[0].files, label) for n, label in enumerate(["10", "2", "1"])]
    assert opened(given, grades=True).classes == ("1", "2", "10")


def test_there_is_no_network_of_its_own(cases: list[Case]) -> None:
    with pytest.raises(RecipeError, match="no network of its own"):
        opened(cases).network(None)
