"""A cluster as the options `--launcher` and `--launch` name it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from gmssl.errors import DataError
from gmssl.system.cluster.tasks import Cluster


def cluster_with(name: str, given: Sequence[str]) -> Cluster:
    """A cluster with parameters in the form KEY=VALUE.

    Raises:
        DataError: as in `Cluster.executor`.
    """
    parameters: dict[str, object] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key.removeprefix("slurm_") in ("nodes", "tasks_per_node", "ntasks_per_node"):
            why = "is not of the form KEY=VALUE" if not equals else "is no choice: a task is one process"
            raise DataError(f"--launch {text} {why}. Write, for instance, timeout_min=240 or slurm_partition=cpu.")
        try:
            parameters[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            parameters[key] = value
    found = Cluster(name, parameters)
    with tempfile.TemporaryDirectory() as folder:
        found.executor(Path(folder))  # faults are told before work that may take an hour
    return found
