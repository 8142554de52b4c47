"""Faster R-CNN on any pyramid: its losses, its predictions, and what it asks of an encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gmssl.errors import RecipeError
from gmssl.parts.tasks.detection.detection import Detection

SMALL = {"channels": 8, "head": 16, "proposals": 20, "regions": 16, "anchor": 4, "most": 10}
PYRAMIDS = [
    (2, 4, 8, 16, 32),
    (4, 8, 16, 32),
    (8, 16, 32),
    (4, 8, 16, 16),
    (16, 16, 16, 16),
    (14,) * 4,
    (8,) * 4,
    (32,),
]


@pytest.fixture
def opened(folder_of: Any) -> Any:
    return Detection(size=64, **SMALL).open(folder_of([[(10, 10, 40, 30)], [(5, 20, 60, 60), (60, 5, 90, 30)], []]), 1)


def built(opened: Any, backbone: Any, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return opened.network(backbone)


def batch_of(opened: Any, cases: list[int]) -> Any:
    examples = opened.testing(cases)
    return opened.collate([examples[n] for n in range(len(cases))])


@pytest.mark.parametrize("strides", PYRAMIDS, ids=str)
def test_all_pyramids_learn_and_predict(opened: Any, backbone: Any, strides: tuple[int, ...]) -> None:
    network = built(opened, backbone(strides))
    batch = batch_of(opened, [0, 1, 2])
    loss = network.loss(batch)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.shape == ()
    assert loss.isfinite()
    plain = len(set(strides)) == 1
    learnt = [n for n, stride in enumerate(strides) if stride >= 4][-1 if plain else 0 :]
    for level, stage in enumerate(network.backbone.stages):
        assert (stage.weight.grad is not None and bool(stage.weight.grad.any())) == (level in learnt), level
    missing = [name for name, weight in network.named_parameters() if weight.grad is None and "stages" not in name]
    assert not missing
    for found in network.predict(batch):
        assert found["boxes"].shape == (len(found["scores"]), 4)
        assert ((found["boxes"] >= 0) & (found["boxes"] <= 64)).all()
        assert found["scores"].isfinite().all()


@pytest.mark.parametrize("strides", [(4, 8, 16, 32), (16,) * 4], ids=str)
def test_levels_have_their_strides(opened: Any, backbone: Any, strides: tuple[int, ...]) -> None:
    """What anchors and pooled regions take for granted, which would otherwise stand beside the objects."""
    neck = built(opened, backbone(strides)).detector.backbone
    maps = neck(torch.rand(2, 1, 64, 64))
    assert list(maps) == ["0", "1", "2", "3", "pool"]
    assert neck.strides == (4, 8, 16, 32, 64)
    assert [64 / m.shape[-1] for m in maps.values()] == [4, 8, 16, 32, 64]
    assert {m.shape[1] for m in maps.values()} == {8}


def test_weights_have_one_name_each(opened: Any, backbone: Any) -> None:
    network = built(opened, backbone())
    tensors = [weight.data_ptr() for weight in network.state_dict().values() if weight.numel()]
    assert len(tensors) == len(set(tensors))
    assert any(name.startswith("backbone.") for name in network.state_dict())


@pytest.mark.parametrize("fit", ["stretched", "kept"])
def test_images_are_normalised_and_never_resized(folder_of: Any, backbone: Any, fit: Any) -> None:
    """By the backbone's numbers; beside an image there are zeros, whatever stands in the batch."""
    opened = Detection(size=64, fit=fit, **SMALL).open(folder_of([[(10, 10, 40, 30)]]), 1)
    network = built(opened, backbone())
    batch = batch_of(opened, [0])
    height, width = batch["shapes"][0].tolist()
    assert (width, height) == ((64, 64) if fit == "stretched" else (64, 43))
    for ask in (network.loss, network.predict):
        network.backbone.seen.clear()
        ask(batch)
        (seen,) = network.backbone.seen
        assert seen.shape == (1, 1, 64, 64)
        wanted = (batch["images"].float() / 255 - 0.3) / 0.2
        wanted[:, :, height:] = 0
        assert torch.allclose(seen, wanted, atol=1e-6)


def test_predictions_do_not_depend_on_the_batch(opened: Any, backbone: Any) -> None:
    network = built(opened, backbone())
    together = network.predict(batch_of(opened, [0, 1, 2]))
    for case in range(3):
        (alone,) = network.predict(batch_of(opened, [case]))
        for key, value in alone.items():
            assert torch.allclose(value.float(), together[case][key].float(), atol=1e-3), key


def test_equal_seeds_give_equal_bits(opened: Any, backbone: Any) -> None:
    def learnt() -> tuple[float, list[torch.Tensor]]:
        torch.manual_seed(3)
        network = opened.network(backbone())
        loss = network.loss(batch_of(opened, [0, 1, 2]))
        loss.backward()
        return loss.item(), [weight.grad for weight in network.parameters() if weight.grad is not None]

    (first, grads), (second, others) = learnt(), learnt()
    assert first == second
    assert all(torch.equal(one, other) for one, other in zip(grads, others, strict=True))


def test_predicting_leaves_the_mode_as_it_was(opened: Any, backbone: Any) -> None:
    network = built(opened, backbone())
    for mode in (True, False):
        network.train(mode)
        assert not any(found["boxes"].requires_grad for found in network.predict(batch_of(opened, [0])))
        assert network.training == mode


@pytest.mark.parametrize(
    ("strides", "said"),
    [
        ((2, 2), "no maps of stride 4 or more"),
        ((6, 12, 24), r"strides \[6, 12, 24\]; detection pools from powers of 2"),
        ((4, 8, 16, 32, 64, 128), "it must be a multiple of 128"),
    ],
)
def test_encoders_that_do_not_fit_are_told(opened: Any, backbone: Any, strides: tuple[int, ...], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        opened.network(backbone(strides))


def test_an_encoder_is_needed(opened: Any, backbone: Any) -> None:
    with pytest.raises(RecipeError, match="no encoder of its own"):
        opened.network(None)
    without = backbone()
    without.channels = without.strides = ()
    with pytest.raises(RecipeError, match="this one has none"):
        opened.network(without)


def test_half_precision_is_that_of_maps_and_not_of_boxes(opened: Any, backbone: Any) -> None:
    """Between 32 and 64 bfloat16 has steps of a quarter of a pixel, and of two at 512."""
    network, kinds = built(opened, backbone()), set[torch.dtype]()
    network.backbone.stages[1].register_forward_hook(lambda module, given, maps: kinds.add(maps.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = network.loss(batch_of(opened, [0, 1]))
        boxes = torch.cat([found["boxes"] for found in network.predict(batch_of(opened, [0, 1]))])
    loss.backward()
    assert kinds == {torch.bfloat16}
    assert loss.dtype == boxes.dtype == torch.float32
    assert loss.isfinite()
    assert bool((boxes.bfloat16().float() != boxes).any())
