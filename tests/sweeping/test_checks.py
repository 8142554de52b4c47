"""What is known before the first run."""

from __future__ import annotations

from pathlib import Path

import pytest

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
