"""Features of a frozen encoder, remembered for each case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch


class FeatureCache:
    """Features by the number of a case, in memory of the host, up to a number of bytes; later cases are not kept.

    It is no part of a network's state: a copy, pickled or deep, is empty.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._free = budget
        self._held: dict[int, torch.Tensor] = {}

    def get(self, case: int, compute: Callable[[], torch.Tensor], device: torch.device) -> torch.Tensor:
        """The features of a case on a device; computed where they are not remembered."""
        held = self._held.get(case)
        if held is not None:
            return held.to(device, non_blocking=True)
        found = compute()
        size = found.numel() * found.element_size()
        if size <= self._free:
            self._free -= size
            self._held[case] = found.detach().cpu()
        return found

    def clear(self) -> None:
        """Forget all of it: the weights are others."""
        self._held.clear()
        self._free = self._budget

    def __len__(self) -> int:
        return len(self._held)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return type(self)(self._budget)

    def __reduce__(self) -> tuple[type[Self], tuple[int]]:
        return type(self), (self._budget,)
