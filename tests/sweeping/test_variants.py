"""Named variants are an axis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gmssl.errors import RecipeError, TrainingError
from gmssl.sweeping.run import Outcome, Plan, plan_sweep

Sweep = Callable[..., tuple[Plan, Outcome]]


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
