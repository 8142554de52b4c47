"""`gmssl evaluate` for benchmarks: what is asked for, what is printed, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.downstream.recipe import load_benchmark
from gmssl.recipe.library import shipped_names


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("benchmark")
    generator = np.random.default_rng(0)
    with (root / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split"])
        for number in range(12):
            Image.fromarray(generator.integers(0, 256, (20, 20), dtype=np.uint8)).save(root / f"{number}.png")
            writer.writerow([f"{number}.png", "ab"[number % 2], "test" if number > 7 else "train"])
    settings = {
        "cases": {"kind": "table", "path": str(root / "index.csv"), "label": "label"},
        "split": {"test": {"split": "test"}},
        "task": {"kind": "classification", "size": 32},
        "training": {"epochs": 1, "accelerator": "cpu", "frozen": True},
        "encoder": {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 8]},
        "encoders": ["second=random"],
        "seeds": [0],
        "bootstrap": 5,
        "published": [{"table": "classification", "data": "Brain Tumor, linear", "metric": "accuracy"}],
    }
    (root / "small.yaml").write_text(yaml.safe_dump(settings))
    return root / "small.yaml"


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["evaluate", *map(str, words)])
    return done.exit_code, " ".join(done.output.replace("│", " ").split())


def test_results_are_printed_and_written(benchmark: Path, tmp_path: Path) -> None:
    code, said = run(benchmark, "--encoder", "first=random", "--out", tmp_path / "o", "--json", tmp_path / "r.json")
    assert code == 0
    assert "small: 12 cases, 8 to learn from, 4 scored" in said
    assert said.index("first ") < said.index("second ")
    assert "LVM-Med (R50) Brain Tumor, linear accuracy 66.33 0.31" in said
    found = json.loads((tmp_path / "r.json").read_text())
    assert (found["task"]["kind"], found["encoder"]["name"], found["data"]["test"]) == ("classification", "first", 4)
    assert [one["encoder"]["name"] for one in found["beside"]] == ["second"]
    assert set(found["scores"]["accuracy"]) == {"mean", "deviation", "interval", "per_seed", "per_site"}


def test_settings_of_one_benchmark_have_names_of_their_own(benchmark: Path, tmp_path: Path) -> None:
    """Fits stay where they are found again, whatever they are called."""
    for name, shown in (("", "small"), ("tenth", "tenth")):
        named = ["--set", f"name={name}"] if name else []
        code, said = run(benchmark, "--out", tmp_path / "o", "--json", tmp_path / f"{shown}.json", *named)
        assert (code, f"{shown}: 12 cases" in said) == (0, True)
    one, other = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("small", "tenth"))
    assert one["fits"] == other["fits"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--folds", "3"], "--folds is for runs"),
        (["--encoder", "resnet50"], "none of the forms"),
        (["--json", "nowhere/r.json"], "there is no folder nowhere"),
        (["--set", "task.size=0"], "task.size"),
        (["--set", "split.tests=1"], "did you mean 'test'"),
    ],
)
def test_wrong_input_is_one_message(benchmark: Path, tmp_path: Path, words: list[str], message: str) -> None:
    code, said = run(benchmark, "--out", tmp_path / "o", *words)
    assert code == 2
    assert message in said
    assert not (tmp_path / "o").exists()


def test_options_of_benchmarks_are_refused_for_runs(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--encoder", "random")
    assert code == 2
    assert "--encoder is for benchmarks" in said
    code, said = run("brain_tumr_linear", "--encoder", "random")
    assert code == 2
    assert "did you mean brain_tumor_linear" in said


@pytest.mark.parametrize("name", shipped_names("downstream"))
def test_every_shipped_benchmark_is_right(name: str) -> None:
    benchmark = load_benchmark(name)
    assert benchmark.task.image_size
    from gmssl.downstream.published import rows_of

    assert len(rows_of(benchmark.published)) >= len(benchmark.published)


def test_check_knows_benchmarks(benchmark: Path) -> None:
    for name in (str(benchmark), "nuclei_unet"):
        done = CliRunner().invoke(app, ["check", name])
        assert done.exit_code == 0
        assert "is a valid benchmark" in done.output
    done = CliRunner().invoke(app, ["check", "nuclei_unet", "--set", "task.sise=3"])
    assert done.exit_code == 2
    assert "did you mean 'size'" in done.output
    assert CliRunner().invoke(app, ["check", "nuclei_unet", "--dry-run"]).exit_code == 2
