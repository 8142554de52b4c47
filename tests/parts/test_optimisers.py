"""Optimisers against the update rules written out, and against torch's own classes."""

from __future__ import annotations

import pytest
import torch

from gmssl import part
from gmssl.errors import RecipeError


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(36, 2)
    )


def test_adam_takes_the_published_first_step() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimiser = part("optimiser", "adam", learning_rate=2e-3).build([weight])
    weight.grad = torch.tensor([0.3, -7.0])
    optimiser.step()
    # The bias-corrected first step is lr · g / (|g| + ε): its size does not depend on the gradient's.
    torch.testing.assert_close(weight.detach(), torch.tensor([3.0 - 2e-3, -2.0 + 2e-3]))


def test_adam_has_no_weight_decay_by_default() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    optimiser = part("optimiser", "adam").build([weight])
    weight.grad = torch.zeros(1)
    optimiser.step()
    assert weight.item() == 3.0


def test_adamw_decays_kernels_and_matrices_only() -> None:
    network = _network()
    optimiser = part("optimiser", "adamw", learning_rate=0.1, weight_decay=0.5).build(network.parameters())
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    for name, p in network.named_parameters():
        factor = 1 - 0.1 * 0.5 if p.ndim > 1 else 1.0
        torch.testing.assert_close(p.detach(), before[name] * factor)


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_every_parameter_is_updated_once(kind: str) -> None:
    network = _network()
    optimiser = part("optimiser", kind).build(network.parameters())
    grouped = [id(p) for group in optimiser.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(map(id, network.parameters()))


@pytest.mark.parametrize("settings", [{"learning_rate": 0}, {"betas": (0.9, 1.0)}, {"weight_decay": -1}, {"lr": 1}])
@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_nonsense_is_refused(kind: str, settings: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        part("optimiser", kind, **settings)
