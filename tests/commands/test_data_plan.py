"""`gmssl data plan`: the numbers of an epoch, as the loader will give them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from gmssl.commands.data.plan import plan, planned
from gmssl.errors import DataError
from gmssl.evaluation.selection import list_source
from gmssl.recipe.recipe import load_recipe
from gmssl.training.datamodule import EpochSampler
from gmssl.training.plan import make_plan

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "recipes" / "quickstart.yaml")
SIZES = {"ct": 40, "mri": 16, "": 4}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    rows = [f"a.png,{modality}" for modality, size in SIZES.items() for _ in range(size)]
    path = tmp_path / "index.csv"
    path.write_text("\n".join(["path,modality", *rows]) + "\n")
    return path


def printed(*words: str) -> str:
    app = typer.Typer()
    app.command()(plan)
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def row(text: str, group: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [group])


def test_a_table_of_the_groups(manifest: Path) -> None:
    text = printed(str(manifest), QUICKSTART, "--set", "balance=duplicates", "--set", "train.batch=40")
    assert text.splitlines()[0].split() == ["modality", "images", "per", "epoch", "copies", "share", "per", "step"]
    assert row(text, "ct") == ["ct", "40", "40", "0", "33.3%", "13.3"]
    assert row(text, "mri") == ["mri", "16", "40", "24", "33.3%", "13.3"]
    assert row(text, "unknown") == ["unknown", "4", "40", "36", "33.3%", "13.3"]
    assert row(text, "all") == ["all", "60", "120", "60", "100.0%", "40.0"]
    assert "3 steps of 40 images an epoch; the whole run has" in text


@pytest.mark.parametrize(
    "balance",
    [
        "none",
        "duplicates",
        "{kind: weights, rule: square_root}",
        "{kind: weights, rule: given, given: {ct: 1, mri: 3, unknown: 0}}",
    ],
)
def test_the_numbers_are_those_of_the_loader(manifest: Path, balance: str) -> None:
    overrides = [f"balance={balance}", "train.batch=16", "train.epochs=3", "probe=null"]
    printed_ones = [word for override in overrides for word in ("--set", override)]
    told = json.loads(printed(str(manifest), QUICKSTART, *printed_ones, "--json"))
    recipe = load_recipe(QUICKSTART, [*overrides, f"data={{kind: manifest, path: {manifest}}}"])
    made = make_plan(recipe)
    assert (told["steps_per_epoch"], told["steps"]) == (made.steps_per_epoch, made.steps)
    sampler = EpochSampler(recipe.balance, made.groups, made.steps_per_epoch * 16, 1, 0, recipe.seed)
    modalities = [record.modality or "unknown" for record in made.images.records]
    keys = list(sampler)
    seen = Counter(modalities[key % 60] for key in keys)
    again = Counter(modalities[key % 60] for key in keys if key >= 60)
    assert told["by"] == "modality"
    assert {r["group"]: (r["per_epoch"], r["copies"]) for r in told["groups"]} == {
        name or "unknown": (seen[name or "unknown"], again[name or "unknown"]) for name in SIZES
    }
    assert sum(r["share"] for r in told["groups"]) == pytest.approx(1)


def test_images_that_tell_nothing_are_one_group(tmp_path: Path) -> None:
    for number in range(17):
        Image.new("L", (8, 8)).save(tmp_path / f"{number}.png")
    found = planned(load_recipe(QUICKSTART, ["train.batch=16"]), list_source(tmp_path))
    assert (found.by, len(found.groups), found.groups[0].per_epoch) == (None, 1, 16)
    with pytest.raises(DataError, match=r"balance\.by: the modality is not known of any image"):
        planned(load_recipe(QUICKSTART, ["train.batch=16", "balance=weights"]), list_source(tmp_path))


def test_too_few_images(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    with pytest.raises(DataError, match="there is 1 image, but one optimiser step takes"):
        planned(load_recipe(QUICKSTART), list_source(tmp_path))
