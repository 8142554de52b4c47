"""Three-dimensional networks: grids, patches, weights, and the same scores."""

from __future__ import annotations

import pickle

import nibabel
import numpy as np
import pytest
import torch
from scipy import ndimage

pytest.importorskip("monai")
pytest.importorskip("einops")

from gmssl.errors import RecipeError
from gmssl.interfaces.registry import part
from gmssl.parts.tasks.volumes.whole.resizing import labels_back, resized, resized_labels
from gmssl.parts.tasks.volumes.whole.task import VolumeNetwork
from tests.parts.tasks.volumes.blobs import blobs, turned

TINY = {
    "unet": {"grid": (8, 16, 16), "channels": (4, 8), "residual_units": 1},
    "unetr": {"grid": (16, 16, 32), "feature_size": 4, "hidden_size": 24, "heads": 2},
    "swin_unetr": {"grid": (32, 32, 64), "feature_size": 12},
}


def network(kind: str, **settings):
    from gmssl.parts.tasks.volumes.whole.network import WholeNetwork

    torch.manual_seed(0)
    return WholeNetwork(VolumeNetwork(network=kind, **{**TINY[kind], **settings}))


@pytest.mark.parametrize("kind", TINY)
def test_networks_learn_and_predict(kind) -> None:
    built = network(kind, classes={"a": 1, "b": 2}, images=("image", "t2"))
    shape = built.settings.grid
    generator = torch.Generator().manual_seed(0)
    batch = {
        "images": torch.randint(0, 256, (2, 2, *shape), generator=generator, dtype=torch.uint8),
        "labels": torch.randint(0, 3, (2, *shape), generator=generator, dtype=torch.uint8),
        "cases": [0, 1],
    }
    before = built.loss(batch)
    before.backward()
    assert before.isfinite()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in built.parameters())
    found = built.predict(batch)
    assert found.shape == (2, 3, *shape)
    assert torch.allclose(found.sum(dim=1), torch.ones(2, *shape), atol=1e-4)
    alone = torch.cat([built.predict({**batch, "images": image[None]}) for image in batch["images"]])
    assert torch.allclose(found, alone, atol=1e-4)
    assert built.training


def test_the_loss_is_dice_and_cross_entropy() -> None:
    built = network("unet", classes={"a": 1, "b": 2}, dice_weight=0.3, cross_entropy_weight=0.7).eval()
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, 1, 8, 16, 16), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 3, (2, 8, 16, 16), generator=generator, dtype=torch.uint8)
    shares = built(images).double().softmax(dim=1).permute(0, 2, 3, 4, 1).reshape(-1, 3)
    truth = torch.nn.functional.one_hot(labels.long().flatten(), 3).double()
    entropy = -(shares.log() * truth).sum(1).mean()
    dice = 1 - 2 * (shares * truth).sum(0) / (shares + truth).sum(0)
    expected = 0.3 * dice[1:].mean() + 0.7 * entropy
    assert built.loss({"images": images, "labels": labels}).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("size", [(4, 6, 5), (9, 17, 12), (8, 6, 12)])
def test_resizing_shifts_nothing(size) -> None:
    """The centre of a smooth blob stays at its share of each side."""
    blob = np.zeros((8, 12, 10), np.float32)
    blob[3, 5, 4] = 1
    blob = ndimage.gaussian_filter(blob, 1.0)
    found = resized(torch.from_numpy(blob)[None], size)[0].numpy()
    for values in (blob, found):
        centre = np.array(ndimage.center_of_mass(values)) + 0.5
        assert centre / values.shape == pytest.approx(np.array([3.5, 5.5, 4.5]) / blob.shape, abs=0.03)


def test_labels_go_to_the_grid_and_back() -> None:
    labels = np.zeros((6, 10, 8), np.uint8)
    labels[1:4, 2:7, 1:5], labels[4:, 6:, 5:] = 1, 3
    assert resized_labels(labels, (6, 10, 8)) is labels
    doubled = resized_labels(labels, (12, 20, 16))
    assert (doubled == labels.repeat(2, 0).repeat(2, 1).repeat(2, 2)).mean() > 0.97
    shares = torch.nn.functional.one_hot(torch.from_numpy(doubled).long(), 4).permute(3, 0, 1, 2)
    assert (labels_back(shares, (6, 10, 8)) == labels).all()


def test_a_perfect_predictor_scores_one_and_its_file_lies_on_the_image(tmp_path) -> None:
    cases = blobs(1, tmp_path / "data", turned(20.0, flips=(-1, 1, 1)), (16, 16, 8))
    opened = VolumeNetwork(**TINY["unet"]).open(cases, 3)
    batch = opened.collate([opened.testing([0])[0]])
    shares = torch.nn.functional.one_hot(batch["labels"].long(), 2).permute(0, 4, 1, 2, 3).float()
    scoring = opened.scoring([0], keep=True)
    scoring.add(batch, shares)
    scores = opened.summarise(scoring.rows())
    assert [scores[name] for name in ("dice", "iou", "hd95_mm", "surface_dice")] == [1, 1, 0, 1]
    file = scoring.write(tmp_path / "out")[1]
    written, mask = nibabel.load(file), nibabel.load(cases[0].files["mask"])
    assert (written.affine == mask.affine).all()
    assert (np.asarray(written.dataobj) == np.asarray(mask.dataobj)).all()


def test_patches_are_balanced_and_drawn_from_seed_epoch_and_index(tmp_path) -> None:
    settings = {"grid": (8, 32, 32), "patch": (4, 8, 8), "channels": (4, 8), "patches": 6, "flip": "all"}
    opened = VolumeNetwork(**settings).open(blobs(2, tmp_path), 1)
    first, again = opened.training([0, 1], 4), pickle.loads(pickle.dumps(opened.training([0, 1], 4)))
    assert sorted(first.epoch(1)) == list(range(12))
    for index in first.epoch(1):
        one, other = first[1, index], again[1, index]
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.labels, other.labels)
        assert one.image.shape == (1, 4, 8, 8)
        if (6 + index // 2) % 2 == 0:
            assert one.labels.any()
    assert not torch.equal(first[1, 0].image, first[2, 0].image)


def test_windows_slide_over_a_grid_larger_than_the_patch() -> None:
    built = network("unet", grid=(8, 32, 32), patch=(8, 16, 16))
    images = torch.randint(0, 256, (1, 1, 8, 32, 32), dtype=torch.uint8)
    assert built.predict({"images": images}).shape == (1, 2, 8, 32, 32)


def test_a_network_learns_blobs(tmp_path) -> None:
    opened = part("task", "volume_network", **TINY["unet"]).open(blobs(4, tmp_path), 3)
    torch.manual_seed(0)
    built = opened.network(None)
    assert built.backbone is None
    optimiser = torch.optim.Adam(built.parameters(), 2e-2)
    examples = opened.training([0, 1, 2], 0)
    for epoch in range(40):
        optimiser.zero_grad()
        built.loss(opened.collate([examples[epoch, index] for index in examples.epoch(epoch)])).backward()
        optimiser.step()
    scoring, batch = opened.scoring([3]), opened.collate([opened.testing([3])[0]])
    scoring.add(batch, built.predict(batch))
    assert opened.summarise(scoring.rows())["dice"] > 0.6


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_weights_of_a_file_must_fit(tmp_path, ending) -> None:
    from safetensors.torch import save_file

    def stored(weights, name):
        path = tmp_path / f"{name}.{ending}"
        save_file(weights, path) if ending == "safetensors" else torch.save({"state_dict": weights}, path)
        return path

    torch.manual_seed(5)
    weights = {name: torch.randn_like(value) for name, value in network("unet").network.state_dict().items()}
    built = network("unet", weights=stored({f"module.{name}": value for name, value in weights.items()}, "all"))
    assert all(torch.equal(value, weights[name]) for name, value in built.network.state_dict().items())
    name = next(iter(weights))
    some = stored({name: weights[name]}, "some")
    with pytest.raises(RecipeError, match="the file has no"):
        network("unet", weights=some)
    assert torch.equal(network("unet", weights=some, partial=True).network.state_dict()[name], weights[name])
    with pytest.raises(RecipeError, match="the network has no strange"):
        network("unet", weights=stored({"strange": weights[name]}, "strange"), partial=True)
    with pytest.raises(RecipeError, match="in the network"):
        network("unet", weights=stored({name: torch.zeros(3)}, "shape"), partial=True)
