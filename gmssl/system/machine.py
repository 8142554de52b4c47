"""The machine: where a measurement was made, and how much memory there is."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("gmssl", "torch", "numpy", "numba", "scipy", "pygmtools", "pylibmgm")


@dataclass(frozen=True)
class Machine:
    """Processor, cores that this process may use, load of the minute before, date, and versions of packages."""

    processor: str
    cores: int
    load: float | None
    date: str
    versions: dict[str, str]


def this_machine() -> Machine:
    """The machine as it is now."""
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    today = datetime.now(UTC).date().isoformat()
    return Machine(processor(), cores(), load, today, {"python": platform.python_version(), **_versions()})


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes of main memory that this process may still get without swapping; None where the system does not tell.

    Within a container at most what the container may have. Other processes may take or free some at any time.
    """
    told = re.search(r"^MemAvailable:\s+(\d+) kB$", _text("/proc/meminfo"), re.MULTILINE)
    if told is None:
        return None
    limit = _text("/sys/fs/cgroup/memory.max").strip()
    return min(int(told[1]) * 1024, *([int(limit)] if limit.isdecimal() else []), 2**63)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def processor() -> str:
    """Its name, as the system gives it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
