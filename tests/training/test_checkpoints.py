"""Checkpoints are whole or absent, and reading them never runs code."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from gmssl.errors import TrainingError
from gmssl.training.checkpoints import AtomicCheckpointIO
from gmssl.training.saved import read_checkpoint

GOOD: dict[str, Any] = {"loops": {}, "global_step": 7, "state_dict": {"w": torch.arange(5.0)}}


class Bomb:
    """Unpickling it would make a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    AtomicCheckpointIO().save_checkpoint(GOOD, tmp_path / "last.ckpt")
    loaded = AtomicCheckpointIO().load_checkpoint(tmp_path / "last.ckpt", weights_only=False)
    assert loaded["global_step"] == 7
    torch.testing.assert_close(loaded["state_dict"]["w"], torch.arange(5.0))
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_a_full_disk_leaves_the_former_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(GOOD, path)
    before = path.read_bytes()

    def full(_: object, file: Any) -> None:
        file.write(b"the first half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"last\.ckpt.*No space left.*--resume"):
        AtomicCheckpointIO().save_checkpoint(GOOD | {"global_step": 8}, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_a_limit_of_the_system_is_named(tmp_path: Path) -> None:
    """The same with the real writer of torch, which hides the system's error behind its own."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(GOOD, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(TrainingError, match="File too large"):
            AtomicCheckpointIO().save_checkpoint(GOOD | {"much": torch.ones(1_000_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert read_checkpoint(path)["global_step"] == 7
    assert os.listdir(tmp_path) == ["last.ckpt"]


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_bomb_is_refused(tmp_path: Path, how: str) -> None:
    bomb, path = Bomb(tmp_path / "exploded"), tmp_path / "last.ckpt"
    if how == "torch":
        torch.save(GOOD | {"bomb": bomb}, path)
    else:
        path.write_bytes(pickle.dumps(bomb))
    with pytest.raises(TrainingError, match="refused"):
        read_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_damaged_checkpoint_is_named_with_the_kept_ones(tmp_path: Path, share: float) -> None:
    path = tmp_path / "last.ckpt"
    torch.save(GOOD, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(TrainingError, match=r"last\.ckpt"):
        read_checkpoint(path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "epoch=0004.ckpt").write_bytes(whole)
    with pytest.raises(TrainingError, match=r"epoch=0004\.ckpt"):
        read_checkpoint(path)


def test_weights_alone_are_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "last.ckpt")
    with pytest.raises(TrainingError, match="no checkpoint of a training"):
        read_checkpoint(tmp_path / "last.ckpt")
    with pytest.raises(TrainingError, match="no checkpoint at"):
        read_checkpoint(tmp_path / "other.ckpt")


@pytest.mark.parametrize("fault", [OSError(errno.EIO, os.strerror(errno.EIO), "last.ckpt"), MemoryError()])
def test_a_fault_of_the_machine_does_not_call_a_checkpoint_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    AtomicCheckpointIO().save_checkpoint(GOOD, tmp_path / "last.ckpt")

    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("torch.load", fail)
    with pytest.raises(type(fault)):
        read_checkpoint(tmp_path / "last.ckpt")
