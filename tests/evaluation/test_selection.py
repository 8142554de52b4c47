import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.evaluation.selection import Subset, class_names, unique, usable
from gmssl.interfaces.data import Record

rows = st.lists(st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from([None, "1", "2", "3"])), max_size=30)


@given(rows)
def test_unique_keeps_the_first_of_every_picture(sample):
    records = [Record(str(i), label) for i, (label, _) in enumerate(sample)]
    digests = [digest for _, digest in sample]
    kept, every = unique(records, digests), usable(records, digests)
    assert {digests[i] for i in kept.indices} == {digests[i] for i in every.indices}
    assert len({digests[i] for i in kept.indices}) == len(kept.indices) == len(every.indices) - kept.duplicates
    assert all(digests[i] not in [digests[j] for j in every.indices if j < i] for i in kept.indices)
    assert len(every.indices) + every.unlabelled + every.unreadable == len(sample)
    assert list(kept.indices) == sorted(kept.indices)


def test_contradictory_labels_are_counted_once_a_picture():
    records = [Record("1", "a"), Record("2", "b"), Record("3", "a"), Record("4", "a"), Record("5", "a")]
    found = unique(records, ["x", "x", "x", "y", "y"])
    assert (found.indices, found.duplicates, found.contradictory) == ((0, 3), 3, 1)


@pytest.mark.parametrize(
    ("labels", "words"), [([None, None], "bears a label"), (["a", "a"], "all bear the label 'a'"), ([], "0 images")]
)
def test_a_classifier_needs_two_classes(labels, words):
    records = [Record(str(i), label) for i, label in enumerate(labels)]
    indices = [i for i, label in enumerate(labels) if label]
    with pytest.raises(DataError, match=words):
        class_names(records, indices)


def test_unreadable_labelled_images_are_named_as_the_fault():
    with pytest.raises(DataError, match="labelled and readable"):
        class_names([Record("1", "a"), Record("2", "b")], [])


def test_subset_loads_the_images_it_lists(squares):
    images = squares(6)
    part = Subset(images, (4, 1))
    assert [record.name for record in part.records] == ["4.png", "1.png"]
    assert part.load(0, 1).tobytes() == images.load(4, 1).tobytes()
    assert len(part) == 2
