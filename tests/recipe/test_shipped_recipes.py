"""Each recipe in recipes/ takes a training step; the big ones with their batch cut, as `--set` would."""

from __future__ import annotations

import shlex
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from gmssl.interfaces.balance import Groups
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.sweeping.recipes import read_variants
from gmssl.training.dry import dry_run

RECIPES = Path(__file__).parents[2] / "recipes"
PHANTOMS = "data={kind: phantoms, number: 40, size: 64}"
MANY = "data={kind: phantoms, number: 150, size: 64}"  # as many partitions need as many graphs
# bfloat16 takes minutes where a CPU emulates it; tests/training/test_dry.py has a small step of it.
CUT = [
    "train.devices=1", "train.batch=4", "encoder.pretrained=false", PHANTOMS,
    "train.precision=float32",
]  # fmt: skip
GRAPHS = "vertices.per_graph=4"
METHODS = ("barlow_twins", "byol", "deepcluster_v2", "dino", "moco_v2", "simclr", "swav", "vicreg", "vicregl")
IMAGES = ("byol", "vicreg", "vicregl")
WIDTHS = ["projector.widths=[256, 256]"]
FEW = {"deepcluster_v2": ["vertices.numbers=[16, 8]"]}


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("quickstart", []),
        ("brain_tumor_r18", [PHANTOMS]),
        ("lvm_med_r50", [*CUT, GRAPHS]),
        ("lvm_med_vit_b", [*CUT, GRAPHS]),
        ("lvm_med_as_published_r18", [PHANTOMS]),
        ("lvm_med_as_released_r18", [PHANTOMS]),
        ("lvm_med_as_released_r50", [*CUT, GRAPHS, "graph.neighbours=3"]),
        ("lvm_med_corrected_r18", [MANY]),
        ("lvm_med_corrected_r50", [*CUT, GRAPHS, "vertices.partitions=1"]),
        *((f"{method}_r18", [PHANTOMS, *FEW.get(method, [])]) for method in METHODS),
        *(
            (f"{method}_r50", [*CUT, *([GRAPHS] if method in IMAGES else []), *FEW.get(method, []), *WIDTHS])
            for method in METHODS
        ),
    ],
)
def test_one_step(name: str, overrides: list[str]) -> None:
    recipe = load_recipe(RECIPES / f"{name}.yaml", overrides)
    assert "one step on" in dry_run(recipe)


def test_every_shipped_recipe_is_tried() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == {
        "quickstart", "brain_tumor_r18", "lvm_med_r50", "lvm_med_vit_b",
        "lvm_med_as_published_r18", "lvm_med_as_released_r18", "lvm_med_as_released_r50",
        "lvm_med_corrected_r18", "lvm_med_corrected_r50",
        *(f"{method}_{size}" for method in METHODS for size in ("r18", "r50")),
    }  # fmt: skip


@pytest.mark.parametrize(("name", "batch"), [("lvm_med_r50", 3200), ("lvm_med_vit_b", 2800)])
def test_published_numbers(name: str, batch: int) -> None:
    """The numbers of the paper (§4 and appendix), read from the file itself."""
    recipe = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    assert recipe["train"]["batch"] == batch
    assert (recipe["train"]["devices"], recipe["train"]["epochs"], recipe["train"]["precision"]) == (
        16,
        100,
        "bfloat16",
    )
    assert recipe["optimiser"] == {"kind": "adam", "learning_rate": 2e-3}
    assert recipe["schedule"] == {"kind": "halving", "times": 4}
    assert recipe["vertices"]["per_graph"] == 16
    assert recipe["graph"]["neighbours"] == 5
    assert (recipe["message_passing"]["layers"], recipe["message_passing"]["width"]) == (2, 128)
    assert recipe["estimator"]["strength"] == 80
    assert recipe["estimator"]["noise"] == {"kind": "gumbel", "temperature": 1.0}
    assert [term["weight"] for term in recipe["affinity"]["vertex"]] == [0.8, 0.2, 0.2]
    assert recipe["balance"] == {"kind": "duplicates", "by": "modality", "crop": [0.85, 0.95]}


VARIANTS = {
    "ablations_r18": ("lvm_med_corrected_r18", [MANY]),
    "ladder_r18": ("lvm_med_corrected_r18", [MANY]),
    "ablations_r50": ("lvm_med_r50", []),
    "methods_r18": ("lvm_med_corrected_r18", [MANY]),
    "balance_r18": ("lvm_med_corrected_r18", [MANY]),
    "methods_r50": ("lvm_med_corrected_r50", []),
    "starts_lite0": ("lvm_med_corrected_r18", ["encoder={kind: timm, name: tf_efficientnet_lite0, output_stride: 16}"]),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_another_recipe(name: str) -> None:
    recipe, _ = VARIANTS[name]
    variants = read_variants(RECIPES / "variants" / f"{name}.yaml", RECIPES / f"{recipe}.yaml", [])
    loaded = [load_recipe(settings).dump() for settings in variants.values()]
    assert len(set(loaded)) == len(loaded)


def test_every_file_of_variants_is_tried() -> None:
    assert {path.stem for path in (RECIPES / "variants").glob("*.yaml")} == set(VARIANTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ablations_r18", "balance_r18", "ladder_r18", "methods_r18"])
def test_every_variant_takes_a_step(name: str) -> None:
    recipe, overrides = VARIANTS[name]
    file = RECIPES / "variants" / f"{name}.yaml"
    for settings in read_variants(file, RECIPES / f"{recipe}.yaml", overrides).values():
        changed = {**settings, "encoder": {**settings["encoder"], "channels": [8, 8, 16, 16]}}
        assert "one step on" in dry_run(load_recipe(changed))


def studied(target: str) -> list[Recipe]:
    """The recipes that the Makefile's command sweeps."""
    make = ["make", "-n", target, "IMAGES=images", "LABELLED=labelled"]
    printed = subprocess.run(make, cwd=RECIPES.parent, capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in printed.replace("\\\n", " ").splitlines() if "gmssl sweep" in line)
    words = shlex.split(line)
    overrides = [value for option, value in pairwise(words) if option == "--set"]
    file = RECIPES.parent / words[words.index("--variants") + 1]
    (recipe,) = (RECIPES.parent / word for word in words if word.startswith("recipes/lvm_med_corrected"))
    return [load_recipe(settings) for settings in read_variants(file, recipe, overrides).values()]


@pytest.mark.parametrize("target", ["study-brain", "study-gpu"])
def test_a_study_compares_methods_only(target: str) -> None:
    """What is no part of a method is equal for all in the Makefile's command; as_released has its own crops there."""
    recipes = studied(target)
    assert len(recipes) > 5
    for field in ("data", "balance", "encoder", "train"):
        assert len({getattr(recipe, field).model_dump_json() for recipe in recipes}) == 1
    crops = {"large", "large_size", "large_scale", "sigma", "greyscale"}
    views = [recipe.views.model_dump_json(include=crops) for recipe in recipes if recipe.protocol != "as_released"]
    assert len(set(views)) == 1


def test_the_study_of_balances_compares_balances_only() -> None:
    """Three balances of each method, and as many steps of warm-up, although epochs of copies are longer."""
    sizes = (20, 235, 954, 3616, 780, 1124)  # of recipes/corpus/shared.yaml
    groups = Groups(("colour", "ct", "microscopy", "mri", "ultrasound", "x-ray"), np.repeat(np.arange(6), sizes))
    recipes = studied("study-balance")
    assert Counter(recipe.model_dump_json(exclude={"balance", "schedule"}) for recipe in recipes).most_common() == [
        (recipes[0].model_dump_json(exclude={"balance", "schedule"}), 3),
        (recipes[-1].model_dump_json(exclude={"balance", "schedule"}), 3),
    ]
    assert [recipe.balance.kind for recipe in recipes] == ["none", "weights", "duplicates"] * 2
    steps = recipes[0].train.max_steps
    assert steps == 200
    curves = [
        [
            recipe.schedule.factor(step, steps, recipe.balance.length(groups) // recipe.train.batch)
            for step in range(steps)
        ]
        for recipe in recipes
    ]
    assert all(curve == curves[0] for curve in curves)
    assert curves[0].index(1.0) == 51


def test_protocols_share_what_is_no_part_of_the_method() -> None:
    """Encoder, data, large views and batch, so that sweeps over the three compare the method only."""
    recipes = [
        load_recipe(RECIPES / f"lvm_med_{name}_r18.yaml") for name in ("as_published", "as_released", "corrected")
    ]
    assert [recipe.protocol for recipe in recipes] == ["as_published", "as_released", "corrected"]
    for field in ("data", "encoder"):
        assert len({getattr(recipe, field).model_dump_json() for recipe in recipes}) == 1
    assert len({(recipe.train.batch, recipe.views.sizes[0]) for recipe in recipes}) == 1
