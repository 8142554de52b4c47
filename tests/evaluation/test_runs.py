import pickle

import pytest
import torch
from safetensors.torch import save_file

from gmssl.errors import TrainingError
from gmssl.evaluation.runs import run_recipe, trained, untrained
from gmssl.recipe.recipe import load_recipe


@pytest.fixture
def recipe(settings_of_a_recipe):
    encoder = {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 8]}
    return load_recipe({**settings_of_a_recipe, "encoder": encoder, "seed": 3})


@pytest.fixture
def run(tmp_path, recipe):
    (tmp_path / "recipe.yaml").write_text(recipe.dump())
    return tmp_path


def other_weights(recipe):
    torch.manual_seed(99)
    return {name: value.contiguous() for name, value in recipe.encoder.build().network.state_dict().items()}


def test_safetensors_come_first_and_fit_strictly(run, recipe):
    weights = other_weights(recipe)
    save_file(weights, run / "encoder.safetensors")
    (run / "last.ckpt").write_bytes(b"not read")
    encoder, source = trained(run, run_recipe(run))
    assert source == "encoder.safetensors"
    assert all(torch.equal(value, weights[name]) for name, value in encoder.network.state_dict().items())
    weights.pop("conv1.weight")
    save_file(weights, run / "encoder.safetensors")
    with pytest.raises(TrainingError, match=r"does not fit.*conv1.weight"):
        trained(run, recipe)


def test_a_checkpoint_stands_in(run, recipe):
    weights = other_weights(recipe)
    state = {f"objective.encoder.network.{name}": value for name, value in weights.items()}
    torch.save({"state_dict": {**state, "objective.projector.0.weight": torch.ones(1)}}, run / "last.ckpt")
    encoder, source = trained(run, recipe)
    assert source == "last.ckpt"
    assert all(torch.equal(value, weights[name]) for name, value in encoder.network.state_dict().items())


def test_untrained_weights_depend_on_the_recipe_s_seed_alone(recipe):
    state = torch.get_rng_state()
    first, words = untrained(recipe)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1234)
    second, _ = untrained(recipe)
    third, _ = untrained(recipe.model_copy(update={"seed": 4}))
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    other = [torch.equal(a, b) for a, b in zip(first.parameters(), third.parameters(), strict=True)]
    assert all(same)
    assert not all(other)
    assert words == "random weights, seed 3"


def test_untrained_means_pretrained_where_the_recipe_says_so(recipe, tmp_path):
    save_file(other_weights(recipe), tmp_path / "given.safetensors")
    given = recipe.model_copy(
        update={"encoder": recipe.encoder.model_copy(update={"weights": tmp_path / "given.safetensors"})}
    )
    encoder, words = untrained(given)
    assert "pretrained weights" in words
    assert torch.equal(encoder.network.conv1.weight, other_weights(recipe)["conv1.weight"])
    (tmp_path / "given.safetensors").unlink()
    encoder, words = untrained(given)
    assert "cannot be had" in words
    assert torch.equal(encoder.network.conv1.weight, untrained(recipe)[0].network.conv1.weight)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the checkpoint ran code",))


def test_runs_without_usable_weights_are_refused(run, recipe):
    with pytest.raises(TrainingError, match="there is no run folder"):
        run_recipe(run / "absent")
    (run / "empty").mkdir()
    with pytest.raises(TrainingError, match="holds nothing"):
        run_recipe(run / "empty")
    with pytest.raises(TrainingError, match="neither"):
        trained(run, recipe)
    (run / "last.ckpt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(TrainingError, match=r"last\.ckpt is (refused|damaged)"):
        trained(run, recipe)
    torch.save({"state_dict": Bomb()}, run / "last.ckpt")
    with pytest.raises(TrainingError, match=r"last\.ckpt is refused"):
        trained(run, recipe)
    torch.save({"state_dict": {"x": torch.ones(1)}}, run / "last.ckpt")
    with pytest.raises(TrainingError, match="holds no encoder"):
        trained(run, recipe)
    (run / "last.ckpt").write_bytes(b"neither a checkpoint nor a pickle")
    with pytest.raises(TrainingError, match=r"last\.ckpt is refused: it is damaged, or"):
        trained(run, recipe)
    (run / "encoder.safetensors").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match=r"encoder\.safetensors is damaged"):
        trained(run, recipe)
