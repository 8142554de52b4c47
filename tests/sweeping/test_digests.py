"""A digest differs exactly where something differs that decides the numbers of a run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gmssl.interfaces.data import Data, FromFiles, Record
from gmssl.interfaces.part import Part
from gmssl.interfaces.registry import part
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.sweeping.labelled import LabelledSet
from gmssl.sweeping.reuse import program
from gmssl.sweeping.reuse.facts import Facts, Survey, digest_of
from gmssl.sweeping.reuse.program import Hardware, plugins

values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
trees = st.recursive(values, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(), t, max_size=4))
facts = st.dictionaries(st.text(), trees, min_size=1, max_size=4)


def turned(value: Any) -> Any:
    """The same with the keys of every mapping in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(each) for each in value] if isinstance(value, list) else value


@given(facts)
def test_the_order_of_keys_is_no_difference(given_facts: dict) -> None:
    assert digest_of(turned(given_facts)) == digest_of(given_facts)


@given(facts, facts)
def test_different_facts_have_different_digests(one: dict, other: dict) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest_of(one) == digest_of(other)) == same


@given(facts)
def test_facts_survive_a_file(given_facts: dict) -> None:
    assert digest_of(json.loads(json.dumps(given_facts))) == digest_of(given_facts)


CHOICES: dict[str, list[object]] = {
    "seed": [0, 1],
    "train.workers": [0, 1, 3],
    "train.batch": [4, 8],
    "train.max_steps": [2, None],
    "train.precision": ["float32", "bfloat16"],
    "train.checkpoint_every": [1, 2],
    "optimiser": ["adamw", {"kind": "adamw", "learning_rate": 0.5}],
    "solver": ["lap", "robust_tabu"],
    "estimator.noise.temperature": [0.3, 0.30000000000000004],
    "affinity.vertex": [["cosine"], ["inner_product"]],
    "data.seed": [0, 1],
    "loggers": [["tensorboard"], []],
}
drawn = st.fixed_dictionaries({path: st.sampled_from(choices) for path, choices in CHOICES.items()})


def test_only_the_loader_workers_are_no_difference(quick: dict) -> None:
    survey = Survey(Hardware(1))

    def digest(settings: dict[str, object]) -> str:
        found = survey.training(load_recipe(quick, [f"{path}={json.dumps(to)}" for path, to in settings.items()]))
        assert found is not None
        return digest_of(found)

    @given(drawn, drawn)
    def law(one: dict, other: dict) -> None:
        differing = {path for path in CHOICES if one[path] != other[path]} - {"train.workers"}
        assert (digest(one) == digest(other)) == (not differing)

    @given(drawn, st.sampled_from(sorted(CHOICES)), st.data())
    def law_of_one_setting(settings: dict, path: str, data: st.DataObject) -> None:
        other = data.draw(st.sampled_from([each for each in CHOICES[path] if each != settings[path]]))
        assert (digest(settings) == digest({**settings, path: other})) == (path == "train.workers")

    law()
    law_of_one_setting()


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of four images in two classes."""
    for name in ("a/0", "a/1", "b/0", "b/1"):
        path = tmp_path / "scans" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path)
    return tmp_path / "scans"


def training(recipe: Recipe) -> str | None:
    found = Survey(Hardware(1)).training(recipe)
    return None if found is None else digest_of(found)


def later(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def longer(path: Path) -> None:
    status = path.stat()
    path.write_bytes(path.read_bytes() + b"!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a nanosecond later": later,
    "a byte longer, at the same time": longer,
    "another name": lambda path: path.rename(path.with_name("2.png")),
    "another class": lambda path: path.rename(path.parents[1] / "b" / "2.png"),
    "removed": lambda path: path.unlink(),
    "another beside it": lambda path: path.with_name("5.png").write_bytes(path.read_bytes()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_data_file_that_changed_is_a_difference(quick: dict, scans: Path, change: str) -> None:
    folder = {"kind": "folder", "root": str(scans)}
    recipes = [
        load_recipe({**quick, "data": folder}),
        load_recipe({**quick, "probe": {"data": folder}}),
        load_recipe({**quick, "data": {"kind": "union", "of": ["phantoms", folder]}}),
    ]
    judged = LabelledSet(path=scans)
    before = [training(recipe) for recipe in recipes]
    evaluation = Survey(Hardware(1)).evaluation(load_recipe(quick), judged, "run")
    (scans / "a" / "note.txt").write_text("no image")
    assert [training(recipe) for recipe in recipes] == before
    CHANGES[change](scans / "a" / "0.png")
    for recipe, former in zip(recipes, before, strict=True):
        assert former is not None
        assert training(recipe) != former
    assert evaluation is not None
    assert Survey(Hardware(1)).evaluation(load_recipe(quick), judged, "run") != evaluation


def test_files_that_settings_name_count(quick: dict, scans: Path, tmp_path: Path) -> None:
    table, weights = tmp_path / "index.csv", tmp_path / "weights.pth"
    table.write_text("path,label\nscans/a/0.png,a\nscans/b/0.png,b\n")
    weights.write_bytes(b"numbers")
    quick["data"] = {"kind": "manifest", "path": str(table)}
    quick["encoder"]["weights"] = str(weights)
    recipe, judged = load_recipe(quick), LabelledSet(path=table)
    survey = Survey(Hardware(1))
    seen, evaluated = survey.training(recipe), survey.evaluation(recipe, judged, "run")
    assert seen is not None
    assert set(seen["files"]) == {"data.path", "encoder.weights"}
    digests = {digest_of(seen)}
    for path in (table, weights, scans / "a" / "0.png"):
        later(path)
        digests.add(str(training(recipe)))
    assert len(digests) == 4
    assert Survey(Hardware(1)).evaluation(recipe, judged, "run") != evaluated
    later(scans / "a" / "1.png")  # no row names it
    assert str(training(recipe)) in digests


def test_a_folder_of_data_that_moved_as_a_whole_is_the_same(quick: dict, scans: Path, tmp_path: Path) -> None:
    def seen(place: Path) -> object:
        found = Survey(Hardware(1)).evaluation(load_recipe(quick), LabelledSet(path=place), "run")
        assert found is not None
        return found

    before = seen(scans)
    assert seen(scans.rename(tmp_path / "moved")) == before


def test_an_evaluation_is_of_a_run_by_a_protocol(quick: dict, scans: Path) -> None:
    recipe, survey = load_recipe(quick), Survey(Hardware(1))
    sets = [
        LabelledSet(path=scans),
        LabelledSet(path=scans, folds=3),
        LabelledSet(path=scans, neighbours=3),
        LabelledSet(path=scans, test=scans),
        LabelledSet(),
    ]
    found = [survey.evaluation(recipe, judged, run) for judged in sets for run in ("one", "other")]
    assert None not in found
    assert len({digest_of(each) for each in found if each is not None}) == 10
    assert survey.evaluation(recipe, LabelledSet("named", scans), "one") == found[0]


class Silent(Data):
    """Images of nowhere that one could look at."""

    kind: ClassVar[str] = "silent"

    def images(self) -> Any:
        return self

    @property
    def records(self) -> list[Record]:
        return [Record("one", "a"), Record("two", "b")]

    def __len__(self) -> int:
        return 2


def test_images_that_do_not_say_their_files_have_no_digest(quick: dict) -> None:
    recipe = load_recipe(quick)
    silent = recipe.model_copy(update={"data": Silent()})
    union = recipe.model_copy(update={"data": part("data", "union", of=[recipe.data, Silent()])})
    assert not isinstance(Silent().images(), FromFiles)
    assert training(recipe) is not None
    assert [training(silent), training(union)] == [None, None]
    assert Survey(Hardware(1)).evaluation(silent, LabelledSet(), "run") is None


def test_images_that_are_not_there_have_no_digest(quick: dict, tmp_path: Path) -> None:
    assert training(load_recipe({**quick, "data": {"kind": "folder", "root": str(tmp_path / "none")}})) is None


def test_threads_count_where_the_processor_computes(quick: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a probe, a GPU does all that sums; the kNN probe and evaluations run on the processor."""
    recipe = load_recipe(quick, ["train.accelerator=auto"])
    probed = load_recipe(quick, ["train.accelerator=auto", "probe.data=phantoms"])
    on_cpu = load_recipe(quick, ["train.accelerator=cpu"])
    machine = Hardware(1)
    machine.__dict__.update(threads=7, gpus=["H100", "H100"])  # as their first use would leave them
    assert machine.of_training(recipe) == {"devices": ["H100"], "threads": None}
    assert machine.of_training(probed) == {"devices": ["H100"], "threads": 7}
    assert machine.of_training(on_cpu) == {"devices": [program.processor()], "threads": 7}
    assert machine.of_evaluation() == {"devices": ["H100", program.processor()], "threads": 7}


@pytest.mark.parametrize(("jobs", "given_threads", "expected"), [(1, None, 5), (2, None, 3), (2, "5", 5)])
def test_threads_are_those_of_the_process_of_a_run(
    monkeypatch: pytest.MonkeyPatch, jobs: int, given_threads: str | None, expected: int
) -> None:
    monkeypatch.setattr("gmssl.sweeping.process.cores", lambda: 7)
    monkeypatch.setattr("torch.get_num_threads", lambda: 5)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given_threads is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given_threads)
    assert Hardware(jobs).threads == expected


def test_the_source_of_a_plugin_counts(quick: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(quick)
    assert plugins(recipe) == {}
    file = tmp_path / "foreign.py"
    file.write_text("one")
    monkeypatch.setitem(sys.modules, "foreign", ModuleType("foreign"))
    monkeypatch.setattr(sys.modules["foreign"], "__file__", str(file), raising=False)
    monkeypatch.setattr(program, "source", lambda slot, kind: "pydantic 1.0")  # any package that needs others

    class Foreign(Part):
        slot: ClassVar[str] = "solver"
        kind: ClassVar[str] = "foreign"

    Foreign.__module__ = "foreign.parts"
    recipe = recipe.model_copy(update={"solver": Foreign()})
    before: Facts = plugins(recipe)["foreign"]  # type: ignore[assignment]
    assert before["version"] == "pydantic 1.0"
    assert "pydantic-core" in {name.replace("_", "-") for name in before["needs"]}
    monkeypatch.setattr(program, "source", lambda slot, kind: "unknown")
    assert plugins(recipe)["foreign"] == {**before, "version": "unknown", "needs": {}}
    file.write_text("other")
    assert plugins(recipe)["foreign"]["source"] != before["source"]  # type: ignore[index]


def test_the_source_of_a_package_is_that_of_all_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    for name in ("__init__.py", "core/__init__.py", "core/a.py", "commands/b.py", "__pycache__/a.pyc"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(name)
    monkeypatch.setitem(sys.modules, "package", ModuleType("package"))
    monkeypatch.setattr(sys.modules["package"], "__path__", [str(package)], raising=False)

    def seen() -> str:
        return program._source("package", ("commands",))

    before = seen()
    for name in ("commands/b.py", "__pycache__/a.pyc", "core/__pycache__/a.pyc"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text("changed")
    assert seen() == before
    (package / "core" / "a.py").write_text("changed")
    changed = seen()
    assert changed != before
    (package / "core" / "a.py").rename(package / "core" / "c.py")
    assert seen() not in (before, changed)
