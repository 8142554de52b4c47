"""A sweep does what is not done yet, goes on after failures, and knows its own folder."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from gmssl.errors import DataError, GmsslError, RecipeError, TrainingError
from gmssl.sweeping.picture import draw
from gmssl.sweeping.results import grids, results_csv, runs_csv, sections, to_markdown
from gmssl.sweeping.run import Outcome, Plan, plan_sweep, run_sweep

RATES = "optimiser.learning_rate=0.25,0.5"
FIRST, SECOND = "learning_rate=0.25", "learning_rate=0.5"

Sweep = Callable[..., tuple[Plan, Outcome]]


@pytest.fixture
def sweep(quick_file: Path, tmp_path: Path, program) -> Sweep:
    """Plans and runs a sweep in `tmp_path / "out"`."""

    def run(grid: str | None = RATES, seeds: int = 2, **options: object) -> tuple[Plan, Outcome]:
        plan = plan_sweep([quick_file], [grid] if grid else [], seeds, **{"out": tmp_path / "out", **options})
        return plan, run_sweep(plan, Console(file=StringIO()))

    return run


def trained(program) -> list[str]:
    return [Path(call[-1]).name for call in program.calls if call[0] == "train"]


def test_all_runs_are_done_seed_by_seed(sweep: Sweep, program, tmp_path: Path) -> None:
    _, outcome = sweep()
    names = [f"{FIRST}_seed=0", f"{SECOND}_seed=0", f"{FIRST}_seed=1", f"{SECOND}_seed=1"]
    assert trained(program) == names
    assert outcome.failures == {}
    assert outcome.values[SECOND, 1] == {"loss": 1.5, "match_accuracy": 0.6, "match_accuracy_noiseless": 0.75}
    for name in names:
        recipe = yaml.safe_load((tmp_path / "out" / "recipes" / f"{name}.yaml").read_text())
        assert f"learning_rate={recipe['optimiser']['learning_rate']}_seed={recipe['seed']}" == name
    program.calls.clear()
    again = sweep()[1]
    assert (again, program.calls) == (outcome, [])


def test_an_interrupted_sweep_goes_on(sweep: Sweep, program, tmp_path: Path) -> None:
    program.faults[f"{FIRST}_seed=1"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        sweep()
    program.faults.clear()
    program.calls.clear()
    # One run has a checkpoint; the other was killed while its folder was made.
    runs, recipes = tmp_path / "out" / "runs", tmp_path / "out" / "recipes"
    (runs / f"{FIRST}_seed=1").mkdir()
    (runs / f"{FIRST}_seed=1" / "last.ckpt").touch()
    (runs / f"{FIRST}_seed=1" / "recipe.yaml").write_text((recipes / f"{FIRST}_seed=1.yaml").read_text())
    (runs / f"{SECOND}_seed=1").mkdir()
    (runs / f"{SECOND}_seed=1" / ".recipe.yaml.123").touch()
    outcome = sweep()[1]
    assert [call[1] for call in program.calls] == ["--resume", str(recipes / f"{SECOND}_seed=1.yaml")]
    assert not (runs / f"{SECOND}_seed=1" / ".recipe.yaml.123").exists()
    assert len(outcome.values) == 4


def test_failures_are_isolated_and_tried_again(sweep: Sweep, program) -> None:
    program.faults[f"{FIRST}_seed=0"] = "ended by SIGKILL"
    plan, outcome = sweep()
    assert outcome.failures == {f"{FIRST}_seed=0": "ended by SIGKILL"}
    assert len(outcome.values) == 3
    found = sections(plan, outcome)
    assert "`learning_rate=0.25_seed=0`: ended by SIGKILL" in to_markdown(plan, "quick.yaml", found, outcome)
    assert grids(plan, found)[0].rows[1][3] == "+0.25 (n = 1)"
    program.faults.clear()
    program.calls.clear()
    assert sweep()[1].failures == {}
    assert trained(program) == [f"{FIRST}_seed=0"]


def test_nothing_worked(sweep: Sweep, program) -> None:
    program.faults["seed"] = "no"
    plan, outcome = sweep()
    assert len(outcome.failures) == 4
    assert sections(plan, outcome) == []
    assert grids(plan, []) == []
    assert len(runs_csv(plan, []).splitlines()) == 1


def test_more_seeds_and_evaluations_later(sweep: Sweep, program) -> None:
    sweep()
    program.calls.clear()
    plan, outcome = sweep(seeds=3, evaluate=["knn"])
    assert trained(program) == [f"{FIRST}_seed=2", f"{SECOND}_seed=2"]
    assert sum(call[0] == "evaluate" for call in program.calls) == 6
    assert outcome.values[FIRST, 2]["knn"] == pytest.approx(0.7)
    assert "linear" not in outcome.values[FIRST, 2]
    assert [row[0] for row in grids(plan, sections(plan, outcome))[-1].rows] == ["0.25", "0.5", "untrained", "pixels"]
    assert sweep(seeds=1)[1].values.keys() == {(FIRST, 0), (SECOND, 0)}


def test_numbers_of_the_tables(sweep: Sweep) -> None:
    plan, outcome = sweep(seeds=3, evaluate=["linear"])
    found = sections(plan, outcome)
    loss, *_, linear = grids(plan, found)
    assert loss.rows == [
        ("0.25", "3", "1.25 ± 1", "–", "–"),
        ("0.5", "3", "1.5 ± 1", "+0.25", "[+0.25, +0.25]"),
    ]
    assert linear.rows[1:] == [
        ("0.5", "3", "70.0 ± 10.0", "+0.0", "[+0.0, +0.0]"),
        ("untrained", "3", "60.0 ± 0.0", "-10.0", "[-34.8, +14.8]"),
        ("pixels", "–", "70.0", "+0.0", "[-24.8, +24.8]"),
    ]
    rows = list(csv.DictReader(StringIO(results_csv(plan, found))))
    row = next(r for r in rows if r["metric"] == "loss" and r["optimiser.learning_rate"] == "0.5")
    assert (row["seeds"], row["mean"], row["sd"], row["difference"]) == ("3", "1.5", "1.0", "0.25")
    assert float(row["high"]) == pytest.approx(1.5 + 4.302653 / 3**0.5)
    rows = [r for r in rows if r["metric"] == "linear"]
    assert [r["optimiser.learning_rate"] for r in rows] == ["0.25", "0.5", "untrained", "pixels"]
    assert float(rows[2]["difference"]) == pytest.approx(-0.1)
    assert float(rows[3]["difference"]) == pytest.approx(0)
    runs = list(csv.DictReader(StringIO(runs_csv(plan, found))))
    assert [(r["run"], r["loss"]) for r in runs][-1] == (f"{SECOND}_seed=2", "2.5")
    assert len(runs) == 6


def test_picture_holds_a_dot_for_each_seed(sweep: Sweep) -> None:
    plan, outcome = sweep(seeds=3, evaluate=["knn"])
    found = sections(plan, outcome)
    panels = [ax for ax in draw(found).axes if ax.get_visible()]
    own = [s.metric.heading for s in found if not s.metric.reference]
    assert [ax.get_title(loc="left") for ax in panels] == [own[-1], *own[:-1]]  # evaluations first
    across = {line.get_label(): line.get_xdata()[0] for line in panels[0].lines if len(set(line.get_xdata())) == 1}
    assert (across["untrained"], across["pixels"]) == (50, 60)
    dots = [line for line in panels[1].lines if line.get_label() == "one seed"]
    assert [sorted(line.get_xdata()) for line in dots] == [[0.25, 1.25, 2.25], [0.5, 1.5, 2.5]]


@pytest.mark.parametrize("seeds", [1, 2])
def test_picture_of_few_runs(sweep: Sweep, seeds: int) -> None:
    plan, outcome = sweep("margin=0", seeds=seeds)
    assert draw(sections(plan, outcome)).axes


def test_the_default_folder_is_that_of_recipe_and_grid(quick_file: Path) -> None:
    roots = [
        plan_sweep([quick_file], [RATES], 2).folder.root,
        plan_sweep([quick_file], [RATES], 5, evaluate=["knn"]).folder.root,
        plan_sweep([quick_file], [RATES], 2, overrides=["margin=1"]).folder.root,
        plan_sweep([quick_file], ["optimiser.learning_rate=0.25"], 2).folder.root,
    ]
    assert roots[0] == roots[1]
    assert len(set(roots)) == 3
    assert roots[0].parent == Path("runs/sweeps")
    assert roots[0].name.startswith("quick-")


def labelled(folder: Path, classes: int, each: int = 4) -> Path:
    from PIL import Image

    for number in range(classes):
        (folder / f"class{number}").mkdir(parents=True)
        for index in range(each):
            Image.new("L", (8, 8), 10 * index + number).save(folder / f"class{number}" / f"{index}.png")
    return folder


def test_other_sweeps_keep_their_folder(sweep: Sweep, tmp_path: Path) -> None:
    sweep(evaluate=["knn"])
    data = labelled(tmp_path / "data", 2)
    wrong: list[tuple[dict, str]] = [
        ({"grid": "optimiser.learning_rate=0.25"}, "its grid has optimiser.learning_rate.1 0.5, this one absent"),
        ({"grid": "margin=1"}, "belongs to another sweep: its grid"),
        ({"overrides": ["margin=1"]}, "its recipe has margin absent, this one 1"),
        ({"evaluate": ["knn"], "data": [str(data)]}, "was evaluated on the images of the recipe, not on"),
    ]
    for options, message in wrong:
        with pytest.raises(TrainingError) as caught:
            sweep(**options)
        assert message in str(caught.value)


def test_a_run_of_another_recipe_is_not_reported(sweep: Sweep, tmp_path: Path) -> None:
    sweep()
    path = tmp_path / "out" / "runs" / f"{FIRST}_seed=1" / "recipe.yaml"
    path.write_text(path.read_text().replace("margin: 0.0", "margin: 0.5"))
    with pytest.raises(TrainingError, match=r"is a run of another recipe: it has margin 0.5, this one 0.0"):
        sweep()


def test_images_that_changed_in_between(sweep: Sweep, program) -> None:
    sweep(seeds=1, evaluate=["knn"])
    program.fingerprint = "cd"
    with pytest.raises(DataError, match=r"not comparable.*fingerprint ab and cd.*remove"):
        sweep(seeds=2, evaluate=["knn"])


def used(folder: Path) -> Path:
    folder.mkdir()
    (folder / "thesis.txt").touch()
    return folder


WRONG: list[tuple[Callable[[Path], dict], type[GmsslError], str]] = [
    (lambda _: {"overrides": ["seed=4"]}, RecipeError, "--seeds"),
    (lambda _: {"overrides": ["margin=x"]}, RecipeError, "margin"),
    (lambda _: {"grid": "data.number=30,4"}, DataError, "number=4: data: there are 4 images"),
    (lambda _: {"grid": "data.number=30,40", "evaluate": ["knn"]}, RecipeError, "different test sets"),
    (lambda p: {"data": [str(labelled(p / "d", 2))]}, DataError, "add --evaluate"),
    (lambda p: {"data": [str(p / "none")], "evaluate": ["knn"]}, DataError, "there is no folder"),
    (lambda p: {"data": [str(labelled(p / "d", 1))], "evaluate": ["knn"]}, DataError, "needs two classes"),
    (
        lambda p: {"data": [str(labelled(p / "d", 1) / "class0")], "evaluate": ["knn"]},
        DataError,
        "no image bears a label",
    ),
    (lambda p: {"data": [str(labelled(p / "d", 2, 2))], "evaluate": ["knn"]}, DataError, "split into 5 folds"),
    (lambda _: {"folds": 3}, DataError, "add --evaluate"),
    (lambda p: {"tests": [str(p)]}, DataError, "add --evaluate"),
    (
        lambda p: {"evaluate": ["knn"], "data": [str(labelled(p / "d", 2))], "tests": [str(labelled(p / "t", 3))]},
        DataError,
        "bear the label 'class2'",
    ),
    (lambda _: {"evaluate": ["knn"], "tests": ["none"]}, DataError, "there is no folder"),
    (lambda p: {"data": [str(labelled(p / "d", 2))], "evaluate": ["knn"], "folds": 9}, DataError, "into 9 folds"),
    (lambda p: {"out": used(p / "used")}, TrainingError, "holds thesis.txt, and no sweep"),
    (lambda p: {"out": used(p / "used") / "thesis.txt"}, TrainingError, "is a file"),
    (lambda p: {"out": used(p / "used") / "thesis.txt" / "sub"}, TrainingError, "sub cannot be made (Not a directory)"),
    (lambda _: {"grid": "encoder.name=resnet18,resnetty"}, RecipeError, "name=resnetty: encoder.name: timm"),
    (lambda _: {"grid": "encoder.name=vit_tiny_patch16_224"}, RecipeError, "vit_tiny_patch16_224 takes no channels"),
    (lambda _: {"grid": "encoder.weights=none.pth"}, RecipeError, "encoder.weights: no file none.pth"),
    (
        lambda _: {"grid": "probe.folds=2,3", "overrides": ["probe={data: phantoms}"]},
        RecipeError,
        "take `probe` out of the grid",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_faults_are_told_before_anything_is_written(
    sweep: Sweep, program, tmp_path: Path, options: Callable[[Path], dict], error: type[GmsslError], message: str
) -> None:
    given = options(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        sweep(**given)
    assert message in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert program.calls == []


def test_a_torn_first_file_is_no_obstacle(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in (".lock", ".sweep.yaml.77"):
        (tmp_path / "out" / name).touch()
    assert sweep()[1].failures == {}


def test_variants_are_the_first_axis(sweep: Sweep, program, tmp_path: Path, quick: dict) -> None:
    other = {**quick, "margin": 0.5}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    (tmp_path / "variants.yaml").write_text(
        "plain:\nfast: [optimiser.learning_rate=4]\nother: {recipe: other.yaml, set: [train.batch=4]}\n"
    )
    plan, outcome = sweep(seeds=1, grid="solver=lap,robust_tabu", variants=tmp_path / "variants.yaml")
    assert [cell.values for cell in plan.cells] == [
        (variant, solver) for variant in ("plain", "fast", "other") for solver in ("lap", "robust_tabu")
    ]
    by_name = {cell.name: cell.recipe for cell in plan.cells}
    assert by_name["variant=fast_solver=lap"].optimiser.learning_rate == 4
    changed = by_name["variant=other_solver=robust_tabu"]
    assert (changed.margin, changed.train.batch, changed.solver.kind) == (0.5, 4, "robust_tabu")
    assert len(outcome.values) == 6
    program.calls.clear()
    again = sweep(seeds=1, grid="solver=lap,robust_tabu", variants=tmp_path / "variants.yaml")[1]
    assert (again, program.calls) == (outcome, [])
    (tmp_path / "variants.yaml").write_text("plain:\nfast: [optimiser.learning_rate=5]\nother: [train.batch=4]\n")
    with pytest.raises(TrainingError, match="belongs to another sweep"):
        sweep(seeds=1, grid="solver=lap,robust_tabu", variants=tmp_path / "variants.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plain:\n", "has 1 variant"),
        ("a:\nb: 3\n", "b: 3 is no list of texts"),
        ("a:\nb: [1]\n", "is no list of texts"),
        ("a:\nb: {recipes: x}\n", "b: unknown key 'recipes'"),
        ("a:\nb: {recipe: 3}\n", "b.recipe: 3 is no path"),
        ("a:\nb: {recipe: none.yaml}\n", "b: no recipe at"),
        ("a:\nb: [seed=3]\n", "b: a sweep sets the seeds itself"),
        ("a:\nb: [margin.x=3]\n", "b: "),
        ("a:\nb: [margn=3]\n", "variant=b: margn"),
        ("a:\nb: []\n", "are the same recipe"),
        ("a:\n1: [margin=1]\n", "names of variants are texts, and 1 is read as int"),
        ("a:\non: [margin=1]\n", "names of variants are texts, and True is read as bool"),
        ("- a\n- b\n", "holds no mapping of names"),
    ],
)
def test_wrong_variants(quick_file: Path, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "variants.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        plan_sweep([quick_file], [], 1, variants=path)
    assert message in str(caught.value)


def test_several_labelled_sets(sweep: Sweep, program, tmp_path: Path) -> None:
    one, two = labelled(tmp_path / "one", 2), labelled(tmp_path / "two", 3)
    judged = {"seeds": 2, "evaluate": ["knn", "linear"]}
    plan, outcome = sweep(**judged, data=[f"first={one}"])
    assert outcome.values[FIRST, 1]["first_knn"] == 0.6
    program.calls.clear()
    plan, outcome = sweep(**judged, data=[f"first={one}", str(two)])  # one more set is welcome
    assert [call[0] for call in program.calls] == ["evaluate"] * 4
    assert {call[call.index("--train") + 1] for call in program.calls} == {str(two)}
    names = {section.metric.name for section in sections(plan, outcome)}
    assert {"first_knn", "two_linear", "two_linear_pixels"} <= names
    assert [grid.title for grid in grids(plan, sections(plan, outcome))][-2:] == ["kNN on two, %", "linear on two, %"]
    draw(sections(plan, outcome))
    with pytest.raises(TrainingError, match=r"was evaluated on first=.*, two=.*, not on"):
        sweep(**judged, data=[f"first={two}", f"two={one}"])
    for wrong, message in (
        ([str(one), str(one)], "given twice"),
        ([str(one), f"one={two}"], "two sets are called one"),
    ):
        with pytest.raises(DataError, match=message):
            sweep(**judged, data=wrong)


@pytest.mark.parametrize("jobs", [2, 3])
def test_several_runs_at_a_time(quick_file: Path, tmp_path: Path, program, monkeypatch, jobs: int) -> None:
    together = threading.Barrier(jobs, timeout=20)

    def meet(arguments, log, lock, given):
        assert given == jobs
        together.wait()
        return program(arguments, log, lock)

    monkeypatch.setattr("gmssl.sweeping.run.run_command", meet)
    plan = plan_sweep([quick_file], [RATES], jobs, out=tmp_path / "out")
    outcome = run_sweep(plan, Console(file=StringIO()), jobs)
    assert len(outcome.values) == 2 * jobs
    assert outcome.failures == {}


def test_protocols_have_their_own_reports(sweep: Sweep, program, tmp_path: Path) -> None:
    data, test = labelled(tmp_path / "one", 2), labelled(tmp_path / "test", 2)
    judged = {"seeds": 1, "evaluate": ["knn"], "data": [f"first={data}"]}
    names = []
    for options in ({}, {"folds": 3}, {"neighbours": 7}, {"tests": [f"first={test}"]}, {"folds": 3}, {"folds": 5}):
        program.calls.clear()
        outcome = sweep(**judged, **options)[1]
        names += [call[call.index("--name") + 1] for call in program.calls if call[0] == "evaluate"][:1]
        if "tests" in options:
            assert outcome.values[FIRST, 0]["first_knn_test"] == 0.5
            assert outcome.values[FIRST, 0]["first_knn_test_clean_pixels"] == 0.3
            call = program.calls[0]
            assert call[call.index("--test") + 1] == str(test)
    assert names[:3] == ["sweep-first", "sweep-first_folds=3", "sweep-first_neighbours=7"]
    assert names[3].startswith("sweep-first_test=test~")
    assert len(names) == 4, "a report that is there is not made again"


def test_references_of_several_encoders(quick_file: Path, tmp_path: Path, program) -> None:
    """Cells with the same encoder share a line, others have their own."""
    grid = ["encoder.channels=[8, 8, 8, 8],[8, 8, 8, 16]", "margin=0,1"]
    plan = plan_sweep([quick_file], grid, 2, ["knn"], out=tmp_path / "out")
    small, large = {"knn_untrained": 0.5, "knn_pixels": 0.4}, {"knn_untrained": 0.6, "knn_pixels": 0.4}
    values = {(run.cell.name, run.seed): {"knn": 0.7, **small} for run in plan.runs}
    values |= {(run.cell.name, run.seed): {"knn": 0.7, **large} for run in plan.runs if "16" in run.cell.values[0]}
    found = sections(plan, Outcome(values, {}))
    section = next(s for s in found if s.metric.name == "knn")
    assert [(line.name, line.summary.mean) for line in section.references] == [
        ("untrained, channels=[8, 8, 8, 8]", 0.5),
        ("untrained, channels=[8, 8, 8, 16]", 0.6),
        ("pixels", 0.4),
    ]
    assert [len(line.beside) for line in section.references] == [2, 2, 4]
    draw(found)
