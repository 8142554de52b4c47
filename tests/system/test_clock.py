"""Stage clock."""

from __future__ import annotations

import pytest

from gmssl.system.clock import StageClock


def test_stages_add_up_and_survive_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 10.0, 12.0, 20.0, 25.0])
    monkeypatch.setattr("gmssl.system.clock.perf_counter", lambda: next(ticks))
    calls: list[int] = []
    clock = StageClock(lambda: calls.append(1))
    with clock.stage("a"):
        pass
    with clock.stage("a"):
        pass
    with pytest.raises(KeyError), clock.stage("b"):
        raise KeyError
    assert dict(clock.seconds) == {"a": 3.0, "b": 5.0}
    assert len(calls) == 6
    clock.reset()
    assert not clock.seconds
