"""Settings of all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
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
