import pickle
from collections import Counter

import numpy as np
import pytest

from gmssl.parts.data.phantoms import MODALITIES, PATTERNS, Phantoms


def pixels(images, channels=1):
    return np.stack([np.asarray(images.load(i, channels)) for i in range(len(images))])


def test_phantoms_are_the_same_everywhere_and_differ_from_each_other():
    images = Phantoms(number=50).images()
    first = pixels(images)
    np.testing.assert_array_equal(pixels(pickle.loads(pickle.dumps(images))), first)
    np.testing.assert_array_equal(np.asarray(images.load(7, 1)), first[7])
    np.testing.assert_array_equal(pixels(Phantoms(number=10).images()), first[:10])
    assert (
        len(
            {image.tobytes() for image in first}
            | {image.tobytes() for image in pixels(Phantoms(number=50, seed=1).images())}
        )
        == 100
    )


def test_labels_and_modalities_are_balanced():
    records = Phantoms(number=50).images().records
    assert Counter((r.label, r.modality) for r in records) == {(p, m): 2 for p in PATTERNS for m in MODALITIES}
    assert {r.dataset for r in records} == {"phantoms"}
    assert len({r.name for r in records}) == 50


@pytest.mark.parametrize("size", [8, 33, 96])
def test_any_size_in_grey_and_colour(size):
    images = Phantoms(number=25, size=size).images()
    grey, colour = pixels(images), pixels(images, 3)
    assert grey.shape == (25, size, size)
    np.testing.assert_array_equal(colour, np.repeat(grey[..., None], 3, axis=3))
    assert (grey.std((1, 2)) > 3).all()


def test_grey_values_do_not_give_the_label_away():
    """Nearest neighbours on mean, deviation and quantiles, within a modality, stay far from right."""
    images = Phantoms(number=1000).images()
    flat = pixels(images).reshape(1000, -1)
    facts = np.column_stack([flat.mean(1), flat.std(1), np.percentile(flat, [5, 25, 50, 75, 95], axis=1).T])
    facts = (facts - facts.mean(0)) / facts.std(0)
    labels = np.array([r.label for r in images.records])
    distances = np.linalg.norm(facts[:500, None] - facts[None, 500:], axis=2)
    votes = labels[500:][np.argsort(distances, axis=1)[:, :15]]
    predicted = [Counter(v).most_common(1)[0][0] for v in votes]
    assert np.mean(np.array(predicted) == labels[:500]) < 0.45
