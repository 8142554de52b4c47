"""The program: right input prints what was asked; wrong input gives one message and exit code 2, and leaves nothing."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import gmssl
from gmssl.commands.check import summary
from gmssl.commands.common.schema import recipe_schema
from gmssl.commands.common.warnings import warnings
from gmssl.interfaces.registry import GROUPS, find, kinds
from gmssl.recipe.recipe import Recipe, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
QUICKSTART = str(RECIPES / "quickstart.yaml")

Run = Callable[..., Any]
Refusal = Callable[[Any, str], None]


@pytest.fixture
def recipe_file(tmp_path: Path, settings_of_a_recipe: dict) -> str:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(settings_of_a_recipe), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("command", ["train", "evaluate", "check", "parts", "version", "parts list", "parts show"])
def test_help(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_help_lists_all_commands(run: Run) -> None:
    output = run("--help").output
    assert all(command in output for command in ("train", "evaluate", "check", "parts", "version"))


def test_version(run: Run) -> None:
    import torch

    output = run("version").output
    assert f"gmssl {gmssl.__version__}\n" in output
    assert f"torch {torch.__version__.split('+')[0]}" in output


def test_check_shipped_recipes(run: Run, shipped_recipe: str) -> None:
    done = run("check", shipped_recipe)
    assert done.exit_code == 0, done.output
    assert "is a valid recipe" in done.output


def test_check_tells_what_is_matched(run: Run, recipe_file: str) -> None:
    output = run("check", recipe_file, "--set", "train.batch=10").output
    assert "images (per_graph 4): 2 graph pair(s) a step" in output
    assert "train.batch: 2 of 10 images a step take part in no graph" in output
    assert "imle (noise gumbel [temperature 0.3])" in output


WARNINGS = [
    ("affinity.vertex.0.weight=0", "affinity.vertex.0: cosine has weight 0"),
    ("affinity.edge=[]", "affinity.edge is empty"),
    ("train.keep_every=5", "train.keep_every: 5 is more than the 2 epochs"),
    ("train.picture_every=5", "train.picture_every"),
    ("train.sync_batch_norm=true", "there is one device"),
    ("probe={data: phantoms, every: 9}", "only the last epoch is probed"),
    ("data={kind: folder, root: /no/such/folder}", "data.root: /no/such/folder is not on this machine"),
    ("probe={data: {kind: folder, root: /no/such/folder}, every: 1}", "probe.data.root: /no/such/folder"),
    ("graph=edgeless", "mixes nothing"),
    ("graph.neighbours=4", "graph.neighbours: 4 is more than the 3 other nodes"),
    (
        "graph.neighbours=8; target=swap; vertices={kind: both_views, per_graph: 4}",
        "graph.neighbours: 8 is more than the 7 other nodes",
    ),
    ("message_passing=unchanged", "graph: knn has edges that nothing reads"),
]


@pytest.mark.parametrize(("override", "message"), WARNINGS)
def test_each_idle_setting_is_warned_of(settings_of_a_recipe: dict, override: str, message: str) -> None:
    settings_of_a_recipe["message_passing"] = "gcn"
    settings_of_a_recipe["solver"] = "robust_tabu"
    sound = load_recipe(settings_of_a_recipe)
    assert warnings(sound) == []
    more = ["affinity.edge=[]"] if override.startswith(("graph", "message_passing")) else []
    idle = load_recipe(settings_of_a_recipe, [*more, *override.split("; ")])
    assert any(message in warning for warning in warnings(idle))


def test_summary_tells_every_part(shipped_recipe: str) -> None:
    recipe = load_recipe(shipped_recipe)
    text = "\n".join(value for _, value in summary(recipe))
    for slot in GROUPS:
        if hasattr(recipe, slot) and slot != "affinity":
            assert getattr(recipe, slot).kind in text
    for term in (*recipe.affinity.vertex, *recipe.affinity.edge):
        assert term.kind in text


WRONG = [
    (["train"], "no recipe is given"),
    (["train", "nothing.yaml"], "no recipe at nothing.yaml"),
    (["check", "nothing.yaml"], "no recipe at nothing.yaml"),
    (["train", str(RECIPES)], "is a folder, no recipe; recipes there: barlow_twins_r18.yaml"),
    (["train", QUICKSTART, "--out", QUICKSTART], "quickstart.yaml is a file; name a folder"),
    (["train", QUICKSTART, "--out", str(RECIPES)], "name another folder that is new or empty"),
    (["train", QUICKSTART, "--out", "x" * 300], "this path is longer than the system allows"),
    (["train", "--resume", QUICKSTART], "is no run folder: it is a file"),
    (["train", QUICKSTART, "--set", "train.epochs"], "path=value"),
    (["train", QUICKSTART, "--set", "train.epoch=3"], "train.epoch: unknown key"),
    (["train", QUICKSTART, "--set", "solver=tabu"], "did you mean 'robust_tabu'"),
    (["train", QUICKSTART, "--set", "estimator=exact"], "zero gradients everywhere"),
    (["train", QUICKSTART, "--set", "vertices.per_graph=1000"], "per_graph is 1000"),
    (["train", QUICKSTART, "--set", "encoder.name='[bold]no[/bold]'", "--set", "x=1"], "x: unknown key"),
    (["train", "--resume", "no/such/run"], "is no run folder"),
    (["train", QUICKSTART, "--resume", "a", "--out", "b"], "two run folders"),
    (["evaluate", "no/such/run", "--train", "x"], "there is no run folder no/such/run"),
    (["parts", "list", "solvers"], "unknown slot 'solvers' (did you mean 'solver'?)"),
    (["parts", "show", "solver", "lab"], "did you mean 'lap'?"),
    (["parts", "schema", "--out", "no/such/folder/x.json"], "cannot be written"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_input_is_one_message(
    run: Run, refusal: Refusal, tmp_path: Path, arguments: list[str], message: str
) -> None:
    refusal(run(*arguments), message)
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


DATA_FAULTS = [
    ("missing", "data"),
    ("empty", "data"),
    ("one", "batch"),
]


@pytest.mark.parametrize(("folder", "message"), DATA_FAULTS)
def test_wrong_images_leave_no_run_folder(run: Run, tmp_path: Path, folder: str, message: str) -> None:
    from PIL import Image

    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    Image.new("L", (64, 64), 128).save(tmp_path / "one" / "a.png")
    brain = RECIPES / "brain_tumor_r18.yaml"
    done = run("train", brain, "--set", f"data.root={folder}", "--set", "train.workers=0")
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert folder in done.stderr or message == "batch"
    assert "Traceback" not in done.output
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments", [["train", "--no-such-option"], ["no-such-command"], ["check"], ["parts", "show"]]
)
def test_wrong_usage_is_typer_s_own_message(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert "Usage" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "split"], "column=value"),
        (["--where", "split=train"], "name it with --train"),
        (["--where-test", "split=test", "--train", "a.csv"], "name it with --test"),
        (["--folds", "1"], "--folds"),
        (["--folds", "5", "--test", "a.csv"], "give one of them"),
        (["--neighbours", "0"], "--neighbours"),
        (["--name", "../x"], "no file name"),
        (["--name", ".."], "no file name"),
        (["--name", ""], "no file name"),
    ],
)
def test_wrong_options_of_evaluate(run: Run, arguments: list[str], message: str) -> None:
    done = run("evaluate", "somewhere", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_evaluate_hands_over_its_options(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple] = []
    monkeypatch.setattr("gmssl.evaluation.runs.run_recipe", lambda run: None)
    monkeypatch.setattr("gmssl.evaluation.selection.open_source", lambda path, where: (path, where))
    monkeypatch.setattr(
        "gmssl.evaluation.evaluating.evaluate", lambda run, **options: calls.append((run, options)) or "a table"
    )
    monkeypatch.setattr("gmssl.evaluation.rendering.render", lambda report, console: console.print(report))
    arguments = "--train a.csv --where split=train --where view=PA --test b.csv --where-test split=test --seed 3"
    done = run("evaluate", "there", *arguments.split(), "--neighbours", "7", "--name", "mine")
    assert done.exit_code == 0, done.output
    assert "a table" in done.stdout
    at, options = calls[0]
    assert at == Path("there")
    assert options["train"] == (Path("a.csv"), {"split": "train", "view": "PA"})
    assert options["test"] == (Path("b.csv"), {"split": "test"})
    assert (options["neighbours"], options["seed"], options["name"], options["folds"]) == (7, 3, "mine", 5)
    run("evaluate", "there", "--folds", "3")
    assert calls[1][1]["train"] is None
    assert calls[1][1]["folds"] == 3


def test_square_brackets_in_messages_are_no_markup(run: Run) -> None:
    done = run("check", QUICKSTART, "--set", "seed='[bold]x[/bold]'")
    assert "'[bold]x[/bold]'" in done.stderr


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gmssl.recipe.recipe.load_recipe", interrupted)
    done = run("check", QUICKSTART)
    assert done.exit_code == 130
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("code", "exit_code"), [(errno.EACCES, 2), (errno.EROFS, 2), (errno.ENOENT, 1)])
def test_only_refusals_of_the_system_are_the_user_s(
    run: Run, monkeypatch: pytest.MonkeyPatch, code: int, exit_code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code), "some/path")

    monkeypatch.setattr("gmssl.recipe.recipe.load_recipe", refuse)
    done = run("check", QUICKSTART)
    assert done.exit_code == exit_code
    assert ("some/path. Give another path" in done.stderr) == (exit_code == 2)


def test_a_defect_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gmssl.recipe.recipe.load_recipe", broken)
    assert isinstance(run("check", QUICKSTART).exception, ZeroDivisionError)


def test_train_hands_over_recipe_name_and_folders(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []

    def train(recipe: Recipe, name: str, out: Path | None, resume: Path | None, console: Any) -> Path:
        calls.append((recipe, name, out, resume))
        return tmp_path / "here"

    monkeypatch.setattr("gmssl.training.run.train", train)
    done = run("train", QUICKSTART, "--set", "seed=7", "--out", "there")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(tmp_path / "here")
    recipe, name, out, resume = calls[0]
    assert (recipe.seed, name, out, resume) == (7, "quickstart", Path("there"), None)

    old = tmp_path / "runs" / "mine" / "2026"
    old.mkdir(parents=True)
    (old / "recipe.yaml").write_text(recipe.dump(), encoding="utf-8")
    assert run("train", "--resume", old).exit_code == 0
    assert calls[1] == (recipe, "mine", None, old)


def test_dry_run_prints_its_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmssl.training.dry.dry_run", lambda recipe: f"one step with seed {recipe.seed} worked")
    assert "one step with seed 3 worked" in run("check", QUICKSTART, "--dry-run", "--set", "seed=3").output


def test_parts_list(run: Run) -> None:
    output = run("parts", "list").output
    for slot in GROUPS:
        for kind in kinds(slot):
            assert any(line.split()[:2] == [slot, kind] for line in output.splitlines())
    only = run("parts", "list", "noise").output
    assert "gumbel" in only
    assert "robust_tabu" not in only


@pytest.mark.parametrize(("slot", "kind"), [(slot, kind) for slot in GROUPS for kind in kinds(slot)])
def test_parts_show(run: Run, slot: str, kind: str) -> None:
    done = run("parts", "show", slot, kind)
    assert done.exit_code == 0, done.output
    part = find(slot, kind)
    assert (part.__doc__ or "").split("\n")[0] in done.output
    for name in part.model_fields:
        assert any(line.startswith(name) for line in done.output.splitlines()), name


def test_parts_show_facts_and_limits(run: Run) -> None:
    output = run("parts", "show", "solver", "robust_tabu").output
    assert "uses_edges True" in output
    assert "differentiable False" in output
    assert "whole number ≥ 1" in output


def test_schema_is_written(run: Run, tmp_path: Path) -> None:
    assert run("parts", "schema", "--out", "schema.json").exit_code == 0
    assert json.loads((tmp_path / "schema.json").read_text(encoding="utf-8")) == recipe_schema()
    assert json.loads(run("parts", "schema").stdout) == recipe_schema()


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {r for item in node for r in references(item)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own | {r for value in node.values() for r in references(value)}


def test_schema_holds_every_kind_and_no_loose_reference() -> None:
    schema = recipe_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert references(schema) <= {f"#/$defs/{name}" for name in schema["$defs"]}
    assert "x-gmssl-slot" not in json.dumps(schema)
    for slot in GROUPS:
        for kind in kinds(slot):
            definition = schema["$defs"][f"{slot}.{kind}"]
            assert definition["additionalProperties"] is False
            assert definition["properties"]["kind"] == {"const": kind}
            assert set(definition["properties"]) == {"kind", *find(slot, kind).model_fields}
    assert set(schema["properties"]) == set(Recipe.model_fields)


def test_schema_agrees_with_the_loader(shipped_recipe: str, settings_of_a_recipe: dict) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(recipe_schema())
    jsonschema.Draft202012Validator.check_schema(recipe_schema())
    for settings in (yaml.safe_load(Path(shipped_recipe).read_text(encoding="utf-8")), settings_of_a_recipe):
        validator.validate(settings)
        validator.validate(json.loads(load_recipe(settings).model_dump_json()))
    for key, changes in {
        "solver": {"kind": "exact", "polish": {"starts": 64}},
        "estimator": {"kind": "imle", "noise": {"temperature": 0.3}},
    }.items():
        validator.validate({**settings_of_a_recipe, key: changes})
        load_recipe({**settings_of_a_recipe, key: changes})
    for key, wrong in {
        "sede": 1,
        "solver": "tabu",
        "loss": {"kind": "hamming", "x": 1},
        "affinity": {"vertex": ["cosine_of_differences"]},
        "train": {"epochs": 0},
        "estimator": {"kind": "imle", "noise": {"start": 3}},
    }.items():
        assert not validator.is_valid({**settings_of_a_recipe, key: wrong}), key


def test_every_key_is_documented() -> None:
    from gmssl.objective.settings import TeacherSettings
    from gmssl.recipe.recipe import ProbeSettings, TrainSettings

    page = (RECIPES.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    keys = {
        *Recipe.model_fields,
        *TrainSettings.model_fields,
        *TeacherSettings.model_fields,
        *ProbeSettings.model_fields,
    } - {"affinity"}
    assert not {key for key in keys if f"`{key}`" not in page}


def test_readme_names_every_kind() -> None:
    readme = (RECIPES.parent / "README.md").read_text(encoding="utf-8")
    for slot in GROUPS:
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{slot}` |"))
        for kind in kinds(slot):
            if find(slot, kind).__module__.startswith("gmssl."):
                assert f"`{kind}`" in row


def test_the_program_itself(tmp_path: Path) -> None:
    """As a shell runs it: exit code, one message on stderr, nothing on stdout, no traceback."""
    program = [sys.executable, "-c", "from gmssl.commands.program import main; main()"]
    done = subprocess.run([*program, "check", "no.yaml"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: no recipe at no.yaml")
    assert "Traceback" not in done.stderr
