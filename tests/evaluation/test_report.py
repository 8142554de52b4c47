import io
import json
import math
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from gmssl.errors import DataError, RecipeError
from gmssl.evaluation.evaluating import Audited, Candidate, compare, evaluate
from gmssl.evaluation.loading import Look
from gmssl.evaluation.rendering import render
from gmssl.evaluation.scores import Spread
from gmssl.interfaces.data import Record
from gmssl.interfaces.registry import part
from gmssl.recipe.recipe import load_recipe
from gmssl.system.exclusions import read_exclusions, read_leaks
from gmssl.system.images.stored import pixel_digest


@pytest.fixture
def look(views):
    return Look(views, 1, 16, 0, torch.device("cpu"))


def rendered(report) -> str:
    console = Console(file=io.StringIO(), width=200)
    render(report, console)
    return console.file.getvalue()


def test_cross_validation_scores_each_unique_image_once(encoder, squares, look, memory_images):
    images = squares(30, patients=10)
    doubled = memory_images([*images.pixels, *images.pixels[:4]], [*images.records, *images.records[:4]])
    candidate = Candidate("some", "an encoder", encoder)
    report = compare([candidate], look, doubled, folds=3, neighbours=5)
    assert (report.train.listed, report.train.used, report.train.duplicates) == (34, 30, 4)
    assert (report.train.classes, report.train.patients) == ({"left": 15, "top": 15}, 10)
    assert [r.name for r in report.references] == ["some", "pixels"]
    for reference in report.references:
        for scores in (reference.scores.knn, reference.scores.linear):
            assert sum(fold.images for fold in scores.folds) == 30
            assert scores.accuracy.mean > 0.9
    assert report.references == compare([candidate], look, images, folds=3, neighbours=5).references
    assert "grouped by patient" in rendered(report)
    assert "4 pixel-identical copies" in rendered(report)


def test_leaked_test_images_are_removed_from_one_score_only(encoder, squares, look, memory_images):
    train, fresh = squares(20), squares(10, seed=1)
    leaked = memory_images([*fresh.pixels, *train.pixels[:6]], [*fresh.records, *train.records[:6]])
    report = compare([Candidate("some", "an encoder", encoder)], look, train, leaked, neighbours=3)
    assert report.leaks.removed == 6
    assert report.leaks.left == {"left": 5, "top": 5}
    clean = compare([Candidate("some", "an encoder", encoder)], look, train, fresh, neighbours=3)
    assert clean.leaks.removed == 0
    for with_leaks, without in zip(report.references, clean.references, strict=True):
        for kind in ("knn", "linear"):
            found, expected = getattr(with_leaks.scores, kind), getattr(without.scores, kind)
            assert found.official.images == 16
            assert found.without_leaks == expected.official == expected.without_leaks
    assert "6 test images are pixel-identical" in rendered(report)


def test_leaks_of_an_audit_are_removed_from_one_score_only(encoder, squares, look, tmp_path):
    """As many as the audit lists, though none has the pixels of a training image."""
    train, test = squares(20), squares(10, seed=1)
    listed = [pixel_digest(test.load(number, 1)) for number in (0, 3, 4)]
    (tmp_path / "pairs.csv").write_text("\n".join(["kind,test_pixels", *(f"near,{digest}" for digest in listed)]))
    audited = Audited(leaks=read_leaks(tmp_path / "pairs.csv"))
    some = [Candidate("some", "an encoder", encoder, "key")]
    plain = compare(some, look, train, test, neighbours=3, kept=tmp_path / "kept")
    report = compare(some, look, train, test, neighbours=3, audited=audited, kept=tmp_path / "kept")
    assert (report.leaks.removed, report.leaks.audited) == (3, 3)
    assert (plain.leaks.removed, plain.leaks.audited) == (0, 0)
    for with_leaks, without in zip(report.references, plain.references, strict=True):
        assert with_leaks.scores.knn.official == without.scores.knn.official
        assert with_leaks.scores.knn.without_leaks.images == 7
    assert "0 test images are pixel-identical to training images, 3 more are leaks by the audit" in rendered(report)


def test_excluded_images_are_not_trained_on(squares, look, memory_images, tmp_path):
    train, test = squares(20), squares(8, seed=1)
    listed = [pixel_digest(train.load(number, 1)) for number in range(4)]
    (tmp_path / "exclude.csv").write_text("\n".join(["pixels,reason", *(f"{digest},near" for digest in listed)]))
    audited = Audited(excluded=read_exclusions(tmp_path / "exclude.csv").pixels)
    report = compare([], look, train, test, neighbours=3, audited=audited)
    assert (report.train.used, report.train.excluded) == (16, 4)
    fewer = memory_images(train.pixels[4:], train.records[4:])
    assert report.references == compare([], look, fewer, test, neighbours=3).references
    assert "4 excluded" in rendered(report)


def test_a_test_set_of_nothing_but_copies_has_no_clean_score(encoder, squares, look):
    report = compare([], look, squares(8), squares(8), neighbours=3)
    assert report.references[0].scores.knn.without_leaks is None
    assert "no image" in rendered(report)


def test_patients_in_both_sets_are_counted(squares, look):
    report = compare([], look, squares(8, patients=4), squares(8, seed=1, patients=3), neighbours=3)
    assert report.leaks.patients == 3
    assert "3 patients stand in both sets" in rendered(report)


def test_test_labels_that_training_does_not_know_are_refused(squares, look):
    test = squares(4, seed=1)
    test.records[2] = Record("2.png", "grey")
    with pytest.raises(DataError, match=r"2\.png bears the label 'grey'.*left, top"):
        compare([], look, squares(8), test)


def test_the_fingerprint_is_of_pixels_labels_and_patients(squares, look):
    def fingerprint(images):
        return compare([], look, images, folds=2, neighbours=3).train.fingerprint

    renamed = squares(8)
    renamed.records = [Record(f"other/{r.name}", r.label, r.patient) for r in renamed.records]
    assert fingerprint(squares(8)) == fingerprint(renamed)
    relabelled = squares(8)
    relabelled.records[0] = Record("0.png", "top")
    others = [squares(8, seed=1), squares(9), squares(8, patients=4), relabelled]
    assert len({fingerprint(images) for images in [squares(8), *others]}) == 5


def test_an_image_that_opens_in_grey_only_is_named(encoder, squares, look):
    images = squares(8)
    load = images.load

    def fails_in_colour(index, channels):
        if (index, channels) == (5, 3):
            raise DataError("no colours")
        return load(index, channels)

    images.load = fails_in_colour
    colour = Look(look.views, 3, 16, 0, look.device)
    network = type(encoder)(channels=3)
    with pytest.raises(DataError, match=r"5\.png was read in grey"):
        compare([Candidate("some", "an encoder", network)], colour, images, folds=2)


def test_rows_are_those_of_the_table(squares, look):
    report = compare([], look, squares(12), folds=2, neighbours=3)
    knn, linear = report.rows()
    assert (knn["features"], knn["classifier"], linear["classifier"]) == ("pixels", "kNN", "linear")
    assert linear["accuracy"] == report.references[0].scores.linear.accuracy.mean
    report = compare([], look, squares(12), squares(6, seed=1), neighbours=3)
    assert report.rows()[0]["balanced"] == report.references[0].scores.knn.official.balanced


def test_a_run_is_evaluated_and_its_report_written(tmp_path, settings_of_a_recipe, squares, capsys):
    encoder = {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 8]}
    views = {"kind": "multi_crop", "large_size": 32}
    recipe = load_recipe({**settings_of_a_recipe, "encoder": encoder, "views": views})
    (tmp_path / "recipe.yaml").write_text(recipe.dump())
    torch.manual_seed(5)
    weights = recipe.encoder.build().network.state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, tmp_path / "encoder.safetensors")
    report = evaluate(tmp_path, train=squares(12), folds=2, neighbours=3, device=torch.device("cpu"))
    assert [r.name for r in report.references] == ["trained", "untrained", "pixels"]
    assert (report.image_size, report.protocol.folds) == (32, 2)
    assert "trained: features: 12 images" in capsys.readouterr().err
    written = json.loads((tmp_path / "evaluation" / "cross_validation.json").read_text())
    assert written == json.loads(report.to_json())
    first = report.references[0].scores.linear
    assert written["references"][0]["scores"]["linear"]["accuracy"]["mean"] == first.accuracy.mean
    # The features are those of the saved weights, not of the untrained ones.
    assert report.references[0].scores != report.references[1].scores
    cpu = torch.device("cpu")
    evaluate(tmp_path, train=squares(12), test=squares(6, seed=1), neighbours=3, name="pair", device=cpu, quiet=True)
    assert capsys.readouterr() == ("", "")
    assert json.loads((tmp_path / "evaluation" / "pair.json").read_text())["leaks"]["removed"] == 0
    for name, images in (("pixels", squares(12)), ("test_pixels", squares(6, seed=1))):
        (tmp_path / name).write_text(f"{name}\n{pixel_digest(images.load(0, 1))}\n")
    lists = {"exclude": tmp_path / "pixels", "leaks": tmp_path / "test_pixels"}
    sets = {"train": squares(12), "test": squares(6, seed=1), "neighbours": 3}
    audited = evaluate(tmp_path, **sets, **lists, name="audited", device=cpu, quiet=True)
    assert (audited.train.used, audited.leaks.audited, audited.leaks.removed) == (11, 1, 1)
    phantoms = {"kind": "phantoms", "number": 10, "size": 16}
    known, held = phantoms, part("data", **phantoms, seed=1)
    judged = evaluate(tmp_path, train=known, test=held, neighbours=3, name="phantoms", device=cpu, quiet=True)
    assert (judged.train.used, judged.test.used) == (10, 10)
    with pytest.raises(RecipeError, match=r"data 'phantoms': numbers: unknown key \(did you mean 'number'\?\)"):
        evaluate(tmp_path, train={"kind": "phantoms", "numbers": 3}, device=cpu, quiet=True)


def test_a_report_holds_no_word_that_is_no_json(encoder, squares, look):
    report = compare([Candidate("some", "words", encoder)], look, squares(20), folds=2, neighbours=3)
    first = report.references[0]
    scores = replace(first.scores.knn, accuracy=Spread(math.nan, math.inf))
    odd = replace(report, references=(replace(first, scores=replace(first.scores, knn=scores)), *report.references[1:]))
    read = json.loads(odd.to_json(), parse_constant=pytest.fail)
    assert read["references"][0]["scores"]["knn"]["accuracy"] == {"mean": None, "deviation": None}
