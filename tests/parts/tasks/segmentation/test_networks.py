"""Every decoder on every shape of pyramid, its losses and its predictions."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from gmssl.errors import DataError, RecipeError
from gmssl.parts.tasks.segmentation.task import Segmentation
from tests.parts.tasks.segmentation.discs import PooledBackbone, discs

pytest.importorskip("segmentation_models_pytorch")

NETWORKS = ("unet", "unet++", "attention_unet", "dpt", "transunet")
PYRAMIDS = ((2, 4, 8, 16, 32), (4, 8, 16, 32), (16, 16, 16, 16), (8, 8, 8, 8), (2, 4, 8, 16, 16))
NARROW = (24, 20, 16, 16, 16)


def network(kind, strides=PYRAMIDS[0], channels=1, **settings):
    torch.manual_seed(0)
    task = Segmentation(size=64, network=kind, decoder_channels=NARROW, **settings)
    from gmssl.parts.tasks.segmentation.network import SegmentationNetwork

    return SegmentationNetwork(task, PooledBackbone(strides, channels))


def batch(count=3, channels=1, classes=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "images": torch.randint(0, 256, (count, channels, 64, 64), generator=generator, dtype=torch.uint8),
        "labels": torch.randint(0, classes + 1, (count, 64, 64), generator=generator, dtype=torch.uint8),
        "cases": list(range(count)),
    }


@pytest.mark.parametrize("strides", PYRAMIDS, ids=str)
@pytest.mark.parametrize("kind", NETWORKS)
def test_any_decoder_stands_on_any_pyramid(kind, strides) -> None:
    built = network(kind, strides, classes={"a": 1, "b": 2}, channels=3)
    given = batch(channels=3, classes=2)
    built.loss(given).backward()
    without = {name for name, weight in built.decoder.named_parameters() if weight.grad is None}
    # The library builds attention to the skip of the last block, which has none.
    assert {name for name in without if ".4.attention1." not in name and ".3.attention1." not in name} == set()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in built.parameters())
    found = built.predict(given)
    assert found.shape == (3, 3, 64, 64)
    assert torch.allclose(found.sum(dim=1), torch.ones(3, 64, 64), atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
def test_predictions_do_not_depend_on_the_batch(kind) -> None:
    built, given = network(kind), batch(4)
    whole = built.predict(given)
    alone = torch.cat([built.predict({**given, "images": image[None]}) for image in given["images"]])
    assert torch.allclose(whole, alone, atol=1e-5)
    assert built.training  # as it was before


def test_the_loss_is_dice_and_cross_entropy_of_pixels_that_count() -> None:
    given = batch(classes=2)
    given["labels"][:, :20] = 255
    built = network("unet", classes={"a": 1, "b": 2}, dice_weight=0.3, cross_entropy_weight=0.7).eval()
    logits, labels = built(given["images"]).double(), given["labels"].long()
    kept = labels != 255
    shares = logits.softmax(dim=1).permute(0, 2, 3, 1)[kept]  # [pixels, 3]
    entropy = -shares.log().gather(1, labels[kept][:, None]).mean()
    truth = functional.one_hot(labels[kept], 3).double()
    dice = 1 - 2 * (shares * truth).sum(0) / (shares + truth).sum(0)
    expected = 0.3 * dice[1:].mean() + 0.7 * entropy
    assert built.loss(given).item() == pytest.approx(expected.item(), rel=1e-5)
    assert built.loss({**given, "labels": torch.full_like(given["labels"], 255)}).isfinite()


def test_equal_seeds_give_equal_bits() -> None:
    def trained():
        built, given = network("unet"), batch()
        optimiser = torch.optim.Adam(built.parameters(), 1e-3)
        for _ in range(3):
            optimiser.zero_grad()
            built.loss(given).backward()
            optimiser.step()
        return built.predict(given)

    assert torch.equal(trained(), trained())


def test_a_backbone_that_does_not_fit_is_refused(tmp_path) -> None:
    with pytest.raises(RecipeError, match="this one has none"):
        network("unet", ())
    with pytest.raises(RecipeError, match="needs four levels"):
        network("dpt", (4, 8, 16))
    with pytest.raises(RecipeError, match="neither powers of two nor all equal"):
        network("unet", (3, 6, 12))
    with pytest.raises(RecipeError, match=r"task\.crop is for convolutional encoders"):
        network("unet", (16, 16, 16, 16), crop=32)
    opened = Segmentation(size=64).open(discs(2, tmp_path), 1)
    with pytest.raises(RecipeError, match="no network of its own"):
        opened.network(None)


def test_without_the_library_a_sentence_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(DataError, match=r"pip install 'gmssl\[seg\]'"):
        network("unet")


def test_what_scores_boundaries_is_asked_for_before_training(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "monai.metrics.utils", None)
    with pytest.raises(DataError, match=r"MONAI.*pip install 'gmssl\[seg\]'"):
        Segmentation(size=64).open(discs(2, tmp_path), 1)


def test_half_a_pixel_is_not_lost_on_the_way_to_tokens() -> None:
    """A pyramid from tokens is centred where the tokens are."""
    from gmssl.parts.tasks.segmentation.pyramid import TokenLevels

    levels = TokenLevels((1,) * 4, 16, 1).eval()
    for weight in levels.parameters():
        torch.nn.init.constant_(weight, 1.0)
    images = torch.zeros(1, 1, 128, 128)
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 3, 5] = 1
    for found, stride in zip(levels(images, [maps] * 4)[1:], (4, 8, 16, 32), strict=True):
        weights = found[0, 0].detach().numpy()
        weights = weights - weights.min()
        y, x = (np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5) * stride
        where = np.array([(y * weights).sum(), (x * weights).sum()]) / weights.sum()
        assert where == pytest.approx([3.5 * 16, 5.5 * 16], abs=8.1 if stride == 32 else 1e-3)
