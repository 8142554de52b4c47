"""What is known before the first run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gmssl.errors import TrainingError
from gmssl.sweeping.run import plan_sweep


def test_encoders_are_tried_once_and_without_their_weights(quick_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    made: list[tuple[str, str]] = []

    def create(name: str, **given: object) -> object:
        assert not given["pretrained"], "a download"
        network = real(name, **given)
        made.append((name, next(network.parameters()).device.type))
        return network

    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", create)
    grid = ["encoder.name=resnet18,resnet34", "encoder.pretrained=false,true", "margin=0,1"]
    assert len(plan_sweep([quick_file], grid, 2).runs) == 16
    assert made == [("resnet18", "meta"), ("resnet34", "meta")]


def test_devices_of_other_machines_are_not_asked_for(quick_file: Path, tmp_path: Path) -> None:
    """A login node has no GPU."""
    words = ([quick_file], ["train.accelerator=gpu"], 1, (), (), (), tmp_path / "out")
    assert len(plan_sweep(*words, elsewhere=True).runs) == 1
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="sees no GPU"):
            plan_sweep(*words)
