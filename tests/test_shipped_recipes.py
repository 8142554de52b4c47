"""Each recipe in recipes/ takes a training step; the big ones with their batch cut, as `--set` would."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gmssl.recipe import load_recipe
from gmssl.training.dry import dry_run

RECIPES = Path(__file__).parents[1] / "recipes"
PHANTOMS = "data={kind: phantoms, number: 40, size: 64}"
# bfloat16 takes minutes where a CPU emulates it; tests/training/test_dry.py has a small step of it.
CUT = [
    "train.devices=1", "train.batch=4", "encoder.pretrained=false", PHANTOMS,
    "train.precision=float32",
]  # fmt: skip
GRAPHS = "vertices.per_graph=4"
METHODS = ("barlow_twins", "byol", "dino", "moco_v2", "simclr", "swav", "vicreg", "vicregl")
IMAGES = ("byol", "vicreg", "vicregl")
WIDTHS = ["projector.widths=[256, 256]"]


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
        *((f"{method}_r18", [PHANTOMS]) for method in METHODS),
        *((f"{method}_r50", [*CUT, *([GRAPHS] if method in IMAGES else []), *WIDTHS]) for method in METHODS),
    ],
)
def test_one_step(name: str, overrides: list[str]) -> None:
    recipe = load_recipe(RECIPES / f"{name}.yaml", overrides)
    assert "one step on" in dry_run(recipe)


def test_every_shipped_recipe_is_tried() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == {
        "quickstart", "brain_tumor_r18", "lvm_med_r50", "lvm_med_vit_b",
        "lvm_med_as_published_r18", "lvm_med_as_released_r18", "lvm_med_as_released_r50",
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
