"""`gmssl check` and weights files: a wrong one is found without torch in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import timm
import yaml
from safetensors.torch import save_file

CODE = """
import gmssl.commands.program, sys, typer.testing as t
done = t.CliRunner().invoke(gmssl.commands.program.app, ['check', {recipe!r}], terminal_width=300)
assert 'torch' not in sys.modules
sys.stdout.write(done.output)
sys.exit(done.exit_code)
"""


def check(folder: Path, settings: dict, views: object = "multi_crop") -> tuple[int, str]:
    encoder = {"kind": "timm", "name": "resnet18", "weights": str(folder / "w.safetensors")}
    (folder / "r.yaml").write_text(yaml.safe_dump({**settings, "encoder": encoder, "views": views}))
    code = CODE.format(recipe=str(folder / "r.yaml"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_weights_of_another_network_are_refused(tmp_path: Path, settings_of_a_recipe: dict) -> None:
    save_file(timm.create_model("resnet34").state_dict(), tmp_path / "w.safetensors")
    code, said = check(tmp_path, settings_of_a_recipe)
    assert code == 2
    assert "does not fit resnet18" in said
    (tmp_path / "w.safetensors").write_bytes(b"no tensors")
    code, said = check(tmp_path, settings_of_a_recipe)
    assert code == 2
    assert "damaged" in said


def test_what_would_be_loaded_and_what_contradicts_it_is_said(tmp_path: Path, settings_of_a_recipe: dict) -> None:
    weights = timm.create_model("resnet18").state_dict()
    save_file({f"module.{k}": v for k, v in weights.items()}, tmp_path / "w.safetensors")
    code, said = check(tmp_path, settings_of_a_recipe, {"kind": "multi_crop", "mean": [0.5]})
    assert code == 0, said
    assert "prefix 'module.' removed" in said
    assert "trained on timm's resnet18.a1_in1k: 224 px, bicubic" in said
    assert "views.mean: 0.5 is not what the pretrained weights expect" in said
