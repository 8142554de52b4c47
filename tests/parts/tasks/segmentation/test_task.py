"""From cases to rows: what is learnt, what is scored, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.registry import part
from gmssl.parts.tasks.segmentation.task import Segmentation
from tests.parts.tasks.segmentation.discs import PooledBackbone, discs

pytest.importorskip("segmentation_models_pytorch")
pytest.importorskip("monai")


def exact(opened, index: int) -> torch.Tensor:
    """What a network that knows the truth would predict: its labels on the grid, as probabilities."""
    labels = opened.testing([index])[0].labels.long()
    labels[labels == 255] = 0
    return torch.nn.functional.one_hot(labels, 1 + len(opened.classes)).permute(2, 0, 1)[None].float()


def scored(opened, index: int, keep: bool = False):
    scoring = opened.scoring([index], keep)
    scoring.add(opened.collate([opened.testing([index])[0]]), exact(opened, index))
    return scoring


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("size", [32, 64, 96])
def test_what_is_drawn_is_found_again(cases, fit, size) -> None:
    opened = Segmentation(size=size, fit=fit).open(cases, 1)
    scores = opened.summarise([scored(opened, index).rows()[0] for index in range(len(cases))])
    assert scores["dice"] > (0.93 if size == 32 else 0.96)
    assert scores["hd95_px"] < (2.3 if size == 32 else 1.5)


def test_a_network_learns_discs(cases) -> None:
    opened = part("task", "segmentation", size=32, decoder_channels=(16, 12, 8, 8, 8)).open(cases, 1)
    torch.manual_seed(0)
    network = opened.network(PooledBackbone())
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    examples = opened.training([0, 1, 2, 3], seed=3)
    for epoch in range(25):
        optimiser.zero_grad()
        network.loss(opened.collate([examples[epoch, index] for index in examples.epoch(epoch)])).backward()
        optimiser.step()
    scoring = opened.scoring([4, 5])
    tested = opened.testing([4, 5])
    batch = opened.collate([tested[index] for index in range(len(tested))])
    scoring.add(batch, network.predict(batch))
    assert [row["case"] for row in scoring.rows()] == ["4", "5"]
    assert opened.summarise(scoring.rows())[opened.metric] > 0.8


def test_validation_asks_for_the_main_score_alone(cases, monkeypatch) -> None:
    opened = Segmentation(size=32).open(cases, 1)
    batch = opened.collate([opened.testing([0, 1])[index] for index in range(2)])
    predicted = torch.rand(2, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    every, main = opened.scoring([0, 1]), opened.scoring([0, 1], only_main=True)
    every.add(batch, predicted)
    monkeypatch.setattr("gmssl.parts.tasks.masks.metrics.boundaries", None)  # nothing is asked of it
    main.add(batch, predicted)
    scores = opened.summarise(main.rows())
    assert scores["dice"] == opened.summarise(every.rows())["dice"]
    assert scores["hd95_px"] is None


def test_examples_come_from_seed_epoch_and_index_alone(cases) -> None:
    task = Segmentation(size=32, repeats=2, augmentation={"flip": "both", "rotation": 30, "brightness": 0.3})
    opened = task.open(cases, 1)
    first, again = opened.training([1, 4], 7), pickle.loads(pickle.dumps(opened.training([1, 4], 7)))
    assert sorted(first.epoch(3)) == [0, 1, 2, 3]
    assert [first[3, index].case for index in range(4)] == [1, 4, 1, 4]
    for index in reversed(first.epoch(3)):
        assert torch.equal(first[3, index].image, again[3, index].image)
        assert torch.equal(first[3, index].labels, again[3, index].labels)
    assert not torch.equal(first[3, 0].image, first[3, 2].image)
    assert not torch.equal(first[3, 0].image, first[4, 0].image)
    assert not torch.equal(first[3, 0].image, opened.training([1, 4], 8)[3, 0].image)
    assert first[0, 0].image.dtype == torch.uint8
    assert first[0, 0].image.shape == (1, 32, 32)


def test_crops_are_squares_of_the_image(cases) -> None:
    still = {"flip": "none"}
    opened = Segmentation(size=96, crop=32, augmentation=still).open(cases, 1)
    whole = opened.testing([2])[0]
    corners = set()
    for epoch in range(20):
        crop = opened.training([2], 0)[epoch, 0]
        assert crop.image.shape == (1, 32, 32)
        windows = whole.image[0].unfold(0, 32, 1).unfold(1, 32, 1)
        places = (windows == crop.image[0]).all(dim=3).all(dim=2).nonzero().tolist()
        assert len(places) == 1
        ((top, left),) = places
        assert torch.equal(crop.labels, whole.labels[top : top + 32, left : left + 32])
        corners.add((top, left))
    assert len(corners) > 15
    assert opened.testing([2])[0].image.shape == (1, 96, 96)


def test_no_memory_gives_the_same_examples(cases) -> None:
    kept, read = (Segmentation(size=32, cache=megabytes).open(cases, 3).testing([0, 0]) for megabytes in (1, 0))
    assert all(torch.equal(kept[n].image, read[n].image) for n in range(2))
    assert kept[0].image.shape == (3, 32, 32)


def test_pixels_outside_the_field_of_view_neither_train_nor_count(cases, tmp_path) -> None:
    view = np.zeros((40, 52), np.uint8)
    view[:, :26] = 255
    Image.fromarray(view).save(tmp_path / "view.png")
    cases = [Case(case.name, {**case.files, "field_of_view": tmp_path / "view.png"}) for case in cases]
    opened = Segmentation(size=64).open(cases, 1)
    labels = opened.testing([0])[0].labels.numpy()
    assert (labels[:, 33:] == 255).all()
    assert (labels[:, :31] != 255).all()
    assert opened.facts["cases with a field of view"] == len(cases)
    predicted = exact(opened, 0)
    predicted[0, :, :, 36:] = torch.tensor([0.0, 1.0])[:, None, None]  # foreground everywhere outside
    scoring = opened.scoring([0])
    scoring.add({"cases": [0]}, predicted)
    assert scoring.rows()[0]["scores"] == scored(opened, 0).rows()[0]["scores"]


def test_the_second_observer_is_scored_against_the_truth(cases) -> None:
    cases = [Case(case.name, {**case.files, "second_observer": case.files["mask"]}) for case in cases[:1]] + cases[1:]
    opened = Segmentation(size=32).open(cases, 1)
    rows = [scored(opened, index).rows()[0] for index in range(3)]
    found = opened.summarise(rows)
    assert (found["observer dice"], found["observer hd95_px"]) == (1.0, 0.0)
    assert "observer" not in rows[1]
    assert "observer dice" not in opened.summarise(rows[1:])


def test_facts_count_cases_without_a_class(cases, tmp_path) -> None:
    Image.fromarray(np.zeros((40, 52), np.uint8)).save(tmp_path / "empty.png")
    empty = Case("empty", {"image": cases[0].image, "mask": tmp_path / "empty.png"})
    opened = Segmentation(size=32).open([*cases, empty], 1)
    assert opened.facts["cases without foreground"] == 1
    row = scored(opened, len(cases)).rows()[0]
    assert row["scores"]["foreground"]["dice"] is None
    assert opened.summarise([row])["dice"] is None
    with pytest.raises(DataError, match="Not one of the 1 training cases has a pixel of foreground"):
        opened.training([len(cases)], 0)


def test_all_faults_of_the_files_are_told_at_once(cases, tmp_path) -> None:
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "small.png")
    Image.fromarray(np.arange(40 * 52, dtype=np.uint8).reshape(40, 52)).save(tmp_path / "grey.png")
    wrong = [
        Case("without", {"image": cases[0].image}),
        Case("small", {"image": cases[0].image, "mask": tmp_path / "small.png"}),
        Case("grey", {"image": cases[0].image, "mask": tmp_path / "grey.png"}),
        Case("view", {**cases[0].files, "field_of_view": tmp_path / "small.png"}),
    ]
    with pytest.raises(DataError) as told:
        Segmentation(size=32).open([*cases, *wrong], 1)
    message = str(told.value)
    assert "without has no file of the role 'mask'" in message
    assert "the mask of small has 40×40 pixels, and the image 52×40" in message
    assert "grey.png holds 255 values other than 0" in message
    assert "1 more" in message
    assert "task.threshold" in message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 100}, "multiple of 32"),
        ({"classes": {"a": 1, "b": 1}}, "stands for two"),
        ({"classes": {"a": 0}}, "background"),
        ({"classes": {"a": 1, "b": "mask"}}, "not both"),
        ({"classes": {"a": []}}, "needs a grey value"),
        ({"classes": {"a": 1}, "threshold": 3}, "without a name"),
        ({"dice_weight": 0, "cross_entropy_weight": 0}, "nothing would be learnt"),
        ({"network": "attention_unet", "decoder_channels": (64, 32, 16, 16, 8)}, "scSE attention needs 16"),
        ({"size": 64, "crop": 96}, "more than size"),
        ({"network": "fcn"}, "'unet', 'unet\\+\\+'"),
    ],
)
def test_settings_without_sense_are_refused(settings, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Segmentation(**settings)


def test_pictures_are_written_for_kept_cases(tmp_path) -> None:
    opened = Segmentation(size=64).open(discs(2, tmp_path / "data"), 1)
    written = scored(opened, 1, keep=True).write(tmp_path / "out")
    assert [path.name for path in written] == ["1.png", "1_prediction.png"]
    truth, _ = opened.annotation.truth(1)
    predicted = np.asarray(Image.open(written[1]))
    assert 2 * ((predicted == 1) & (truth == 1)).sum() / ((predicted == 1).sum() + truth.sum()) > 0.95
