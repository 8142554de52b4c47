"""The task from cases to scores: examples, rows, pictures."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gmssl.interfaces.registry import find
from gmssl.parts.tasks.detection.detection import Detection

SMALL: dict[str, Any] = {"channels": 16, "head": 32, "proposals": 40, "regions": 32, "anchor": 4, "most": 10}
BOXES = [[(10, 10, 40, 30)], [(5, 20, 60, 60), (60, 5, 90, 30)], []]


def test_it_is_found_by_its_kind() -> None:
    assert find("task", "detection") is Detection
    assert Detection.extra == "det"
    assert Detection(size=96).image_size == 96


def test_examples_depend_on_seed_epoch_and_index_only(folder_of: Any) -> None:
    opened = Detection(size=64, zoom=0.5, light=0.3, flips=("horizontal", "vertical")).open(folder_of(BOXES), 1)
    first, again = opened.training([0, 1, 2], 5), pickle.loads(pickle.dumps(opened.training([0, 1, 2], 5)))
    seen = []
    for epoch in range(4):
        assert sorted(first.epoch(epoch)) == [0, 1, 2]
        assert first.epoch(epoch) == again.epoch(epoch)
        for index in (2, 0, 1):
            one, other = first[epoch, index], again[epoch, index]
            assert torch.equal(one["image"], other["image"])
            assert torch.equal(one["boxes"], other["boxes"])
            assert one["image"].dtype == torch.uint8
            if index < 2:  # the third image is of one grey
                seen.append(one["image"])
    assert len({bytes(image.flatten().tolist()) for image in seen}) == len(seen)
    others = opened.training([0, 1, 2], 6)
    assert any(first.epoch(n) != others.epoch(n) for n in range(5))
    assert not torch.equal(first[0, 1]["image"], others[0, 1]["image"])


def test_training_boxes_enclose_what_is_bright(folder_of: Any) -> None:
    """Mirrored and cut out; a pixel at an edge may be grey."""
    opened = Detection(size=96, zoom=0.6, flips=("horizontal", "vertical")).open(folder_of([[(30, 20, 60, 44)]]), 1)
    examples = opened.training([0], 0)
    mirrored = set()
    for epoch in range(12):
        example = examples[epoch, 0]
        rows, columns = torch.nonzero(example["image"][0] > 130, as_tuple=True)
        if not len(example["boxes"]):
            continue
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert example["boxes"][0].tolist() == pytest.approx([float(edge) for edge in seen], abs=1.0)
        mirrored.add(tuple(example["boxes"][0].round().int().tolist()))
    assert len(mirrored) > 4


def test_batches_are_squares(folder_of: Any) -> None:
    opened = Detection(size=64, fit="kept").open(folder_of(BOXES), 1)
    examples = opened.testing([1, 2])
    batch = opened.collate([examples[0], examples[1]])
    assert len(examples) == 2
    assert batch["images"].shape == (2, 1, 64, 64)
    assert batch["shapes"].tolist() == [[43, 64], [43, 64]]
    assert not batch["images"][:, :, 43:].any()
    assert [len(boxes) for boxes in batch["boxes"]] == [2, 0]
    assert batch["labels"][0].tolist() == [1, 1]
    assert batch["cases"].tolist() == [1, 2]


def perfect(opened: Any, cases: list[int]) -> Any:
    """What a network would predict that knows the truth, on its own grid."""
    examples = opened.testing(cases)
    batch = opened.collate([examples[n] for n in range(len(cases))])
    found = [
        {"boxes": boxes, "labels": labels, "scores": torch.full((len(boxes),), 0.75)}
        for boxes, labels in zip(batch["boxes"], batch["labels"], strict=True)
    ]
    return batch, found


@pytest.mark.parametrize("fit", ["stretched", "kept"])
def test_rows_are_on_the_image_and_survive_json(folder_of: Any, fit: Any) -> None:
    opened = Detection(size=64, fit=fit).open(folder_of(BOXES), 1)
    scoring = opened.scoring([0, 1, 2])
    scoring.add(*perfect(opened, [0, 1]))
    scoring.add(*perfect(opened, [2]))
    rows = json.loads(json.dumps(scoring.rows()))
    assert [row["case"] for row in rows] == [f"images/{n}.png" for n in range(3)]
    for row, truth in zip(rows, BOXES, strict=True):
        assert row["true_boxes"] == [list(box) for box in truth]
        for box, wanted in zip(row["boxes"], truth, strict=True):
            assert box == pytest.approx(wanted, abs=1e-3)
    scores = opened.summarise(rows)
    assert opened.metric == "AP50"
    assert list(scores) == ["AP50", "AP", "AP75", "AR", "AP50.cell"]
    assert scores["AP"] == pytest.approx(1.0)
    assert opened.summarise(rows[2:])["AP50"] is None


def test_pictures_and_detections_are_written(folder_of: Any, tmp_path: Path) -> None:
    opened = Detection(size=64).open(folder_of(BOXES), 1)
    scoring = opened.scoring([0, 1, 2], keep=True)
    scoring.add(*perfect(opened, [0, 1, 2]))
    written = scoring.write(tmp_path / "pictures")
    assert [file.name for file in written] == [*(f"images_{n}.png.png" for n in range(3)), "detections.json"]
    for file in written[:3]:
        with Image.open(file) as image:
            assert min(image.size) > 200
    found = json.loads(written[3].read_text(encoding="utf-8"))
    assert found[1]["labels"] == ["cell", "cell"]
    with pytest.raises(ValueError, match="keep=True"):
        opened.scoring([0]).write(tmp_path)


@pytest.mark.slow
def test_bright_rectangles_are_learnt(folder_of: Any, backbone: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = []
    for _ in range(24):
        x, y = (int(torch.randint(0, limit, (), generator=generator)) for limit in (60, 34))
        boxes.append([(x, y, x + 30, y + 24)])
    opened = Detection(size=64, **SMALL).open(folder_of(boxes), 1)
    torch.manual_seed(0)
    network = opened.network(backbone((4, 8, 16, 32), width=16))
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    examples = opened.training(range(16), 0)
    for epoch in range(60):
        order = examples.epoch(epoch)
        for at in (0, 8):
            optimiser.zero_grad()
            network.loss(opened.collate([examples[epoch, n] for n in order[at : at + 8]])).backward()
            optimiser.step()
    scoring, tested = opened.scoring(range(16, 24)), opened.testing(range(16, 24))
    batch = opened.collate([tested[n] for n in range(8)])
    scoring.add(batch, network.predict(batch))
    score = opened.summarise(scoring.rows())["AP50"]
    assert score is not None
    assert score > 0.9
