"""The whole task: what trains, what stays as it is, whom predictions depend on, and what users are told."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.prompts import models
from tests.parts.tasks.prompts.small import CNN, VIT, Pyramid, task

Draw = Callable[..., Case]


@pytest.fixture
def cases(drawn: Draw) -> list[Case]:
    return [
        drawn("a", (50, 70), (10, 10, 30, 40, 255)),
        drawn("b", (40, 40), (5, 5, 12, 12, 255), (20, 20, 36, 30, 255)),
        drawn("c", (64, 48), (30, 8, 60, 40, 255)),
        drawn("empty", (30, 30)),
    ]


def batch_of(opened: Any, indices: list[int], epoch: int = 0) -> Any:
    examples = opened.training(indices, 0)
    return opened.collate([examples[epoch, i] for i in sorted(examples.epoch(epoch))])


def learn(network: Any, batch: Any, steps: int) -> float:
    optimiser = torch.optim.Adam([w for w in network.parameters() if w.requires_grad], 1e-3)
    network.train()
    for _ in range(steps):
        loss = network.loss(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(loss.detach())


def rows_of(opened: Any, network: Any, indices: list[int], size: int, folder: Path | None = None) -> list[Any]:
    examples = opened.testing(indices)
    scoring = opened.scoring(indices, keep=folder is not None)
    for start in range(0, len(indices), size):
        batch = opened.collate([examples[i] for i in range(start, min(start + size, len(indices)))])
        scoring.add(batch, network.predict(batch))
    if folder is not None:
        scoring.write(folder)
    return scoring.rows()


ENCODERS = pytest.mark.parametrize("shape", [None, VIT, CNN], ids=["own", "equal strides", "pyramid"])


@ENCODERS
def test_only_the_decoder_and_the_two_convolutions_learn(cases: list[Case], shape: Any) -> None:
    torch.manual_seed(0)
    opened = task(prompts=2, jitter=0).open(cases, 3)
    backbone = None if shape is None else Pyramid(*shape)
    network = opened.network(backbone)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = batch_of(opened, [0, 1, 2, 3])
    assert batch["boxes"].shape == (3, 2, 4)  # the empty image is not learnt from
    learn(network, batch, 5)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in changed} == ({"sam"} if backbone is None else {"sam", "adapter"})
    assert all(name.startswith(("sam.mask_decoder.", "adapter.")) for name in changed)
    assert len([name for name in changed if name.startswith("adapter.")]) == (0 if backbone is None else 6)
    learnt = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert changed <= learnt


@ENCODERS
def test_a_decoder_that_is_told_the_box_overfits_an_image(cases: list[Case], shape: Any) -> None:
    torch.manual_seed(0)
    opened = task(jitter=0).open(cases, 3)
    network = opened.network(None if shape is None else Pyramid(*shape))
    assert learn(network, batch_of(opened, [0]), 200) < 0.1
    (row,) = rows_of(opened, network, [0], 1)
    assert row["scores"]["foreground"]["dice"] > 0.9


def test_predictions_do_not_depend_on_the_batch(cases: list[Case]) -> None:
    torch.manual_seed(0)
    opened = task(boxes="component").open(cases, 3)
    network = opened.network(Pyramid(*CNN))
    network.train()
    examples = opened.testing([0, 1, 2, 3])
    alone = [network.predict(opened.collate([examples[i]]))[0] for i in range(4)]
    network.load_state_dict(network.state_dict())  # features are forgotten
    together = network.predict(opened.collate([examples[i] for i in (3, 1, 0, 2)]))
    assert [len(masks) for masks in alone] == [1, 2, 1, 0]
    for place, i in enumerate((3, 1, 0, 2)):
        torch.testing.assert_close(together[place], alone[i], rtol=1e-5, atol=1e-6)
    assert network.training


def test_equal_seeds_give_equal_bits(cases: list[Case]) -> None:
    def weights() -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        opened = task().open(cases, 3)
        network = opened.network(None)
        for epoch in range(2):
            learn(network, batch_of(opened, [0, 1, 2], epoch), 2)
        return network.state_dict()

    first, second = weights(), weights()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_features_of_a_case_are_computed_once(cases: list[Case]) -> None:
    opened = task().open(cases, 3)
    backbone = Pyramid(*VIT)
    network = opened.network(backbone)
    batch = batch_of(opened, [0, 1, 2])
    network.loss(batch)
    assert backbone.calls == 3
    network.loss(batch)
    assert backbone.calls == 3
    assert not len(copy.deepcopy(network._cache))
    network.load_state_dict(network.state_dict())
    network.loss(batch)
    assert backbone.calls == 6
    none = task(cache=0).open(cases, 3).network(backbone)
    none.loss(batch)
    none.loss(batch)
    assert backbone.calls == 12


def test_frozen_statistics_stay_though_the_network_trains(cases: list[Case]) -> None:
    backbone = Pyramid(*CNN)
    network = task().open(cases, 3).network(backbone).train()
    assert network.sam.mask_decoder.training
    assert not any(module.training for module in backbone.modules())
    assert not network.sam.prompt_encoder.training


def test_examples_are_drawn_from_seed_epoch_and_index(cases: list[Case]) -> None:
    examples = task(boxes="component").open(cases, 3).training([0, 1, 2], 5)
    again = pickle.loads(pickle.dumps(examples))
    assert sorted(examples.epoch(4)) == [0, 1, 2]
    assert torch.equal(examples[4, 1]["boxes"], again[4, 1]["boxes"])
    assert len({tuple(examples[epoch, 1]["boxes"].flatten().tolist()) for epoch in range(8)}) > 4


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
def test_image_box_and_target_lie_on_each_other(drawn: Draw, fit: str, channels: int) -> None:
    case = drawn("blob", (96, 144), (24, 36, 72, 108, 255))
    opened = task(fit=fit, jitter=0, size=96).open([case], channels)
    example = opened.training([0], 0)[0, 0]
    x1, y1, x2, y2 = (round(float(at)) for at in example["boxes"][0])
    assert example["image"].shape == (channels, 96, 96)
    inside = example["image"][:, y1 + 1 : y2, x1 + 1 : x2]
    around = torch.cat([example["image"][:, :y1].flatten(), example["image"][:, :, x2 + 2 :].flatten()])
    assert inside.min() > 140 > 100 > around.max()
    rows, columns = torch.nonzero(example["target"][0], as_tuple=True)
    edges = (columns.min() * 4, rows.min() * 4, (columns.max() + 1) * 4 - 1, (rows.max() + 1) * 4 - 1)
    assert max(abs(float(at) - float(edge)) for at, edge in zip(example["boxes"][0], edges, strict=True)) <= 2


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_perfect_masks_of_the_network_score_perfectly_on_the_own_grid(drawn: Draw, fit: str) -> None:
    """Half a pixel of displacement would cost more than is allowed here."""
    case = drawn("blob", (128, 192), (32, 48, 96, 144, 255))
    opened = task(fit=fit, size=96).open([case], 3)
    example = opened.training([0], 0)[0, 0]
    scoring = opened.scoring([0])
    batch = opened.collate([opened.testing([0])[0]])
    scoring.add(batch, [example["target"].float() * 20 - 10])
    scores = scoring.rows()[0]["scores"]["foreground"]
    assert scores["dice"] > 0.97
    assert scores["hd95"] <= 2


def test_scores_are_of_each_class_and_absent_classes_have_none(drawn: Draw) -> None:
    two = drawn("two", (40, 40), (4, 4, 14, 14, 1), (20, 20, 34, 34, 2))
    one = drawn("one", (40, 40), (4, 4, 14, 14, 1))
    opened = task(classes={"lung": 1, "heart": 2}, jitter=0).open([two, one], 3)
    assert opened.facts["cases_with_class"] == {"lung": 2, "heart": 1}
    scoring = opened.scoring([0, 1])
    batch = opened.collate([opened.testing([0, 1])[i] for i in range(2)])
    full, none = torch.full((1, 16, 16), 5.0), torch.full((1, 16, 16), -5.0)
    scoring.add(batch, [torch.cat([none, full]), none])
    scores = [row["scores"] for row in scoring.rows()]
    assert scores[0]["lung"]["dice"] == 0
    assert scores[0]["heart"]["dice"] == pytest.approx(2 * 196 / (196 + 1600))
    assert scores[1]["heart"]["dice"] is None
    assert scores[1]["lung"]["dice"] == 0
    assert opened.summarise(scoring.rows())["dice.heart"] == scores[0]["heart"]["dice"]


def test_the_mask_of_a_class_is_the_union_over_its_boxes(cases: list[Case]) -> None:
    opened = task(boxes="component", jitter=0).open(cases, 3)
    examples = opened.training([1], 0)
    targets = {}
    for epoch in range(9):
        example = examples[epoch, 0]
        targets[tuple(example["boxes"][0].tolist())] = example["target"]
    batch = opened.collate([opened.testing([1])[0]])
    masks = torch.cat([targets[tuple(box.tolist())] for box in batch["boxes"][0]]).float() * 20 - 10
    scoring = opened.scoring([1])
    scoring.add(batch, [masks])
    (row,) = scoring.rows()
    assert row["boxes"] == 2
    assert row["scores"]["foreground"]["dice"] > 0.85


def test_sam_as_it_is(cases: list[Case], tmp_path: Path) -> None:
    opened = task(trains="nothing").open(cases, 3)
    network = opened.network(None)
    assert not any(weight.requires_grad for weight in network.parameters())
    assert len(rows_of(opened, network, [0, 1, 2, 3], 2, tmp_path)) == 4
    with pytest.raises(RecipeError, match="trains: nothing is for SAM's own encoder"):
        opened.network(Pyramid(*VIT))


def test_an_encoder_without_neck_trains_sams_neck(cases: list[Case], tmp_path: Path) -> None:
    sam, _ = models.tiny(task().tiny_sizes, 64)
    state = sam.vision_encoder.state_dict()
    torch.save({n: v for n, v in state.items() if not n.startswith("neck.")}, tmp_path / "vit.pth")
    opened = task(encoder_weights=tmp_path / "vit.pth").open(cases, 3)
    network = opened.network(None)
    learnt = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert {name for name in learnt if not name.startswith("sam.mask_decoder.")} == {
        f"adapter.network.{name}" for name in sam.vision_encoder.neck.state_dict()
    }
    assert torch.equal(network.sam.vision_encoder.layers[0].mlp.lin1.weight, state["layers.0.mlp.lin1.weight"])
    assert str(tmp_path) in network.loaded
    learn(network, batch_of(opened, [0, 1]), 2)
    with pytest.raises(RecipeError, match="encoder_weights is for SAM's own encoder"):
        opened.network(Pyramid(*VIT))


def test_pictures_show_every_case(cases: list[Case], tmp_path: Path) -> None:
    opened = task().open(cases, 3)
    rows_of(opened, opened.network(None), [0, 1, 2, 3], 4, tmp_path)
    assert {path.name for path in tmp_path.glob("*_labels.png")} >= {"a_labels.png", "empty_labels.png"}
    with Image.open(tmp_path / "a_labels.png") as labels:
        assert labels.size == (70, 50)


def test_encoders_without_maps_are_refused(cases: list[Case]) -> None:
    backbone = Pyramid(*VIT)
    backbone.channels = ()
    with pytest.raises(RecipeError, match="pooled features only"):
        task().open(cases, 3).network(backbone)


@pytest.mark.parametrize("fault", ["size", "value", "missing", "all empty"])
def test_faults_of_masks_are_told_before_training(cases: list[Case], drawn: Draw, fault: str) -> None:
    case = drawn("bad", (30, 40), (2, 2, 9, 9, 7))
    if fault == "size":
        Image.fromarray(numpy.full((20, 40), 255, numpy.uint8)).save(case.files["mask"])
    given = {
        "size": ({}, [*cases, case], "the mask of bad has 40×20 pixels, its image 40×30"),
        "value": ({"classes": {"x": 255}}, [*cases, case], "bad_mask.png holds the values 7"),
        "missing": ({}, [Case("bad", {"image": case.image})], "bad has no file of the role 'mask'"),
        "all empty": ({}, cases[3:], "the masks of all 1 cases are empty"),
    }[fault]
    with pytest.raises(DataError, match=given[2]):
        task(**given[0]).open(given[1], 3)


def test_training_cases_that_are_all_empty(cases: list[Case]) -> None:
    opened = task().open(cases, 3)
    assert opened.facts["cases_without_box"] == ["empty"]
    with pytest.raises(DataError, match="not one of the 1 cases to learn from"):
        opened.training([3], 0)


def test_a_model_that_is_not_there_is_told_before_masks_are_read() -> None:
    with pytest.raises(RecipeError, match=r"no file and no folder sam.pth.*facebook/sam-vit-base"):
        task(model="sam.pth", tiny=None).open([], 3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 100}, "no multiple"),
        ({"model": "sam.pth"}, "`tiny` is for"),
        ({"tiny": {"width": 30}}, "heads must divide"),
        ({"classes": {"a": 0}}, "other than 0"),
        ({"classes": {"a": 1, "b": [1]}}, "two of them"),
        ({"classes": {"a": 1}, "threshold": 3}, "threshold is for"),
        ({"jitter": True}, "no number"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        task(**settings)
