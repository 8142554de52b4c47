import pytest
import torch

from gmssl.errors import DataError
from gmssl.evaluation.classifiers import knn_predict
from gmssl.evaluation.features import extract
from gmssl.evaluation.folds import split
from gmssl.evaluation.probe import knn_probe


def test_accuracy_is_that_of_neighbours_in_other_folds(encoder, squares, views):
    images = squares(30, patients=10)
    features, _ = extract(encoder, images, views, 1, 16)
    labels = torch.tensor([("left", "top").index(record.label) for record in images.records])
    fold_of = torch.from_numpy(split(labels.tolist(), [record.patient for record in images.records], 3, 0))
    right = 0
    for i in range(30):
        others = fold_of != fold_of[i]
        right += int(knn_predict(features[others], labels[others], features[i : i + 1], 5, 2) == labels[i])
    assert knn_probe(encoder, images, views, 1, neighbours=5, folds=3) == pytest.approx(right / 30)


def test_what_the_pixels_tell_apart_is_found_and_noise_is_not(encoder, squares, views, memory_images):
    images = squares(40)
    assert knn_probe(encoder, images, views, 1, neighbours=3, folds=4) > 0.9
    records = [images.records[i - i % 4 // 2] for i in range(40)]  # labels that ignore the pixels
    shuffled = memory_images(images.pixels, records)
    assert knn_probe(encoder, shuffled, views, 1, neighbours=3, folds=4) < 0.9


def test_copies_and_unreadable_images_do_not_count(encoder, squares, views, memory_images):
    images = squares(20)
    extended = memory_images([*images.pixels, *images.pixels[:6], None], [*images.records, *images.records[:7]])
    expected = knn_probe(encoder, images, views, 1, 3, 4)
    assert knn_probe(encoder, extended, views, 1, 3, 4) == pytest.approx(expected)


def test_too_few_images_are_refused(encoder, squares, views):
    with pytest.raises(DataError, match="at most 3 folds"):
        knn_probe(encoder, squares(3), views, 1, 5, folds=5)
