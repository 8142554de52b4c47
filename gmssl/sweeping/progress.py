"""What a sweep tells while it works: a line for each run that has ended, and which ones are in progress."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 3


class Progress:
    """Lines on a console, and below them, on a terminal, one that is overwritten."""

    def __init__(self, console: Console, total: int, logs: Path, to_do: int, jobs: int) -> None:
        """For `total` runs, of which `to_do` are not done yet, `jobs` at a time."""
        self._console, self._total, self._logs = console, total, logs
        self._to_do, self._jobs = to_do, jobs
        self._took: list[float] = []
        self._status = console.status("")
        self._guard = threading.Lock()
        self._started: dict[str, float] = {}
        self._ended = 0

    def __enter__(self) -> Progress:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def started(self, name: str) -> None:
        """A run is in progress; any thread may say so."""
        with self._guard:
            self._started[name] = time.monotonic()
            self._show()

    def ended(self, name: str, outcome: str, worked: bool) -> None:
        """A run is not in progress any more; how long it took is told where it did anything."""
        with self._guard:
            took = time.monotonic() - self._started.pop(name)
            self._ended += 1
            if worked:
                self._took.append(took)
            left = self._left()
            self._show()
        times = f" ({duration(took)}{f'; {left}' if left else ''})" if worked else ""
        tell(self._console, f"{self._ended}/{self._total} {name}: {outcome}{times}")

    def _left(self) -> str:
        """How long the other runs take if they are like those so far; empty where nothing is known, or left."""
        pending = self._to_do - len(self._took)
        if not self._took or pending <= 0:
            return ""
        return f"about {duration(statistics.fmean(self._took) * pending / self._jobs)} left"

    def _show(self) -> None:
        names = list(self._started)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        left = self._left()
        done = f"{self._ended}/{self._total} done{f', {left}' if left else ''}"
        self._status.update(f"{done}; {', '.join(names[:_SHOWN])}{more}, see {self._logs}")


def tell(console: Console, text: str) -> None:
    """A line of its own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """`8 s`, `4 min`, `2 h 5 min`."""
    if seconds < 59.5:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
