"""`StageClock`: where the time of a training step goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter


class StageClock:
    """Wall seconds spent in named stages since the last reset.

    Args:
        synchronise: function that is called at both ends of each stage, so that queued device work counts where it was
            asked for (`torch.cuda.synchronize`); None on CPU, or to measure launch times only.
    """

    def __init__(self, synchronise: Callable[[], None] | None = None) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.synchronise = synchronise or (lambda: None)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` block to `name`."""
        self.synchronise()
        start = perf_counter()
        try:
            yield
        finally:
            self.synchronise()
            self.seconds[name] += perf_counter() - start

    def reset(self) -> None:
        """Forget all stages."""
        self.seconds.clear()
