"""Laws and examples of learning-rate schedules; torch's own schedulers are the oracle."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl import part

runs = st.tuples(st.integers(1, 300), st.integers(1, 50)).map(lambda pair: (pair[0], min(pair)))


@given(runs, st.integers(0, 6))
def test_halving_gives_equal_parts(run: tuple[int, int], times: int) -> None:
    steps, per_epoch = run
    factors = [part("schedule", "halving", times=times).factor(s, steps, per_epoch) for s in range(steps)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    lengths = [factors.count(0.5**k) for k in range(times + 1)]
    assert sum(lengths) == steps
    assert max(lengths) - min(lengths) <= 1


def test_halving_of_the_paper() -> None:
    schedule = part("schedule", "halving", times=4)
    epochs = [schedule.factor(epoch * 7, 700, 7) for epoch in (0, 19, 20, 39, 40, 60, 80, 99, 100)]
    assert epochs == [1, 1, 0.5, 0.5, 0.25, 0.125, 0.0625, 0.0625, 0.0625]


@given(runs, st.floats(0, 20), st.floats(0, 1))
def test_warmup_cosine_rises_then_falls_to_the_floor(run: tuple[int, int], warmup: float, floor: float) -> None:
    steps, per_epoch = run
    schedule = part("schedule", "warmup_cosine", warmup=warmup, floor=floor)
    factors = [schedule.factor(s, steps, per_epoch) for s in range(steps + 1)]
    warm = min(round(warmup * per_epoch), steps)
    assert factors[:warm] == sorted(factors[:warm])
    assert all(a >= b - 1e-12 for a, b in zip(factors[warm:], factors[warm + 1 :], strict=False))
    assert all(0 < f <= 1 + 1e-12 for f in factors[:warm])
    if warm < steps:
        assert factors[-1] == pytest.approx(floor)


def test_warmup_cosine_equals_torch_without_warmup() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=40, eta_min=0.1)
    schedule = part("schedule", "warmup_cosine", warmup=0, floor=0.1)
    for step in range(40):
        assert schedule.factor(step, 40, 10) == pytest.approx(oracle.get_last_lr()[0])
        optimiser.step()
        oracle.step()


def test_constant() -> None:
    assert {part("schedule", "constant").factor(s, 10, 5) for s in range(11)} == {1.0}
