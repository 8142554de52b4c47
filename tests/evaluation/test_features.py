import pytest
import torch

from gmssl.errors import DataError, TrainingError
from gmssl.evaluation.features import extract


def test_features_are_those_of_the_encoder_in_evaluation_mode(encoder, squares, views):
    images = squares(10)
    features, indices = extract(encoder, images, views, 1, 16, batch=4)
    assert indices.tolist() == list(range(10))
    assert features.dtype == torch.float32
    encoder.eval()
    from gmssl.parts.data.dataset import PlainDataset

    plain = torch.stack([PlainDataset(images, 1, 16)[i] for i in range(10)])
    torch.testing.assert_close(features, encoder(views.plain(plain))[1].detach())


def test_the_encoder_is_left_as_it_was(encoder, squares, views):
    encoder.train()
    encoder.network[1].eval()  # a user may have frozen one layer of a training network
    modes = [module.training for module in encoder.modules()]
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    features, _ = extract(encoder, squares(10), views, 1, 16)
    assert [module.training for module in encoder.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not features.requires_grad
    assert all(p.grad is None and p.requires_grad for p in encoder.parameters())


def test_training_flags_come_back_after_a_fault(encoder, squares, views):
    encoder.train()
    with pytest.raises(RuntimeError):
        extract(encoder, squares(4), views, 3, 16)  # three channels into a network for one
    assert all(module.training for module in encoder.modules())


def test_batch_and_workers_change_nothing_nor_do_they_draw_random_numbers(encoder, squares, views):
    images = squares(9)
    state = torch.get_rng_state()
    expected, _ = extract(encoder, images, views, 1, 16)
    for batch, workers in ((2, 0), (4, 2)):
        features, _ = extract(encoder, images, views, 1, 16, batch, workers)
        torch.testing.assert_close(features, expected)
    assert torch.equal(torch.get_rng_state(), state)


def test_unreadable_images_are_left_out(encoder, squares, views):
    images = squares(9)
    expected, _ = extract(encoder, images, views, 1, 16)
    for index in (0, 4, 5):
        images.pixels[index] = None
    features, indices = extract(encoder, images, views, 1, 16, batch=2)
    assert indices.tolist() == [1, 2, 3, 6, 7, 8]
    torch.testing.assert_close(features, expected[indices])


def test_nothing_readable_is_refused(encoder, squares, views):
    images = squares(2)
    images.pixels = [None, None]
    with pytest.raises(DataError, match=r"not one of 2 images is readable \(first: 0.png\)"):
        extract(encoder, images, views, 1, 16)


def test_features_that_are_not_finite_are_refused(encoder, squares, views):
    encoder.network[1].running_mean[0] = torch.nan
    with pytest.raises(TrainingError, match=r"features of 6 of 6 images are not finite \(first: 0\.png\)"):
        extract(encoder, squares(6), views, 1, 16)


def test_a_worker_that_cannot_hand_over_its_batch_ends_the_reading(encoder, squares, views, starved, within):
    with within(20), pytest.raises(DataError, match=r"too many open files.*--workers 0"):
        extract(encoder, starved(squares(8)), views, 1, 16, batch=4, workers=1)
