"""Settings of all tests."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No deadline: the machines that run this are shared, and a compilation in the first example is no fault.
settings.register_profile(
    "gmssl", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", settings.get_profile("gmssl"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "gmssl")


@pytest.fixture
def fresh_registry():
    """The registry forgets what it has found, before and after: for tests that install fake packages."""
    from gmssl.interfaces import registry

    def forget() -> None:
        registry._installed.cache_clear()
        registry._entry_points.cache_clear()
        registry.find.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture(params=sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def shipped_recipe(request) -> str:
    """Path of each recipe in recipes/."""
    return str(request.param)


@pytest.fixture
def settings_of_a_recipe() -> dict:
    """A small valid recipe as a mapping, fresh for each test."""
    return {
        "data": "phantoms",
        "views": "multi_crop",
        "encoder": {"kind": "timm", "name": "resnet18"},
        "projector": {"kind": "mlp", "widths": [32]},
        "vertices": {"kind": "images", "per_graph": 4},
        "graph": {"kind": "knn", "neighbours": 2},
        "message_passing": "unchanged",
        "affinity": {"vertex": ["cosine"], "edge": ["cosine_of_differences"]},
        "solver": "robust_tabu",
        "estimator": {"kind": "imle", "noise": {"kind": "gumbel", "temperature": 0.3}},
        "loss": "hamming",
        "optimiser": "adamw",
        "schedule": "constant",
        "train": {"epochs": 2, "batch": 8},
    }


@pytest.fixture(scope="session")
def refusal() -> Callable[[Any, str], None]:
    """Asserts that a command ended in one message about wrong input, and nothing else."""

    def check(done: Any, said: str) -> None:
        assert done.exit_code == 2, done.output
        assert done.stderr.startswith("error: ")
        assert said in done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.output

    return check


class StarvedImages:
    """Images whose first reading in a loader's worker leaves that process room for so many more open files."""

    def __init__(self, images: Any, room: int = 1) -> None:
        self.images, self.records, self.room, self.starved = images, images.records, room, False

    def __len__(self) -> int:
        return len(self.images)

    def load(self, index: int, channels: int) -> Any:
        from torch.utils.data import get_worker_info

        if get_worker_info() is not None and not self.starved:
            self.starved = True
            # The limit is one of numbers, and these are the lowest that are free.
            numbers = [os.dup(0) for _ in range(self.room)]
            for number in numbers:
                os.close(number)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(numbers) + 1,) * 2)
        return self.images.load(index, channels)


@pytest.fixture
def starved() -> type[StarvedImages]:
    return StarvedImages


@pytest.fixture
def within() -> Callable[[float], Any]:
    """`with within(60):` fails after that many seconds, also where the loop in it waits for another process."""

    @contextmanager
    def watch(seconds: float) -> Iterator[None]:
        def ring(*_: object) -> None:
            pytest.fail(f"still waiting after {seconds} s")

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return watch
