"""The training step's account of how far the run is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from gmssl.objective.objective import MatchingObjective
from gmssl.recipe.recipe import Recipe
from gmssl.training.run import train


def test_the_teacher_knows_the_share_of_steps_that_are_done(
    tiny: Callable[..., Recipe], tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    follow = MatchingObjective.follow

    def listening(self: MatchingObjective, progress: float) -> None:
        told.append(progress)
        follow(self, progress)

    monkeypatch.setattr(MatchingObjective, "follow", listening)
    recipe = tiny("train.epochs=2", "teacher={momentum: 0.5, final: 1}")
    train(recipe, "tiny", tmp_path / "run", None, console)
    assert told == [step / 8 for step in range(1, 9)]  # four steps an epoch; the last one reaches `final`
