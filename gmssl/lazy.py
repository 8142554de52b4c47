"""Modules that are imported at their first use.

A part *is* its settings, so `gmssl check` must be able to import every part within a second; torch alone takes several.
Files that hold settings therefore write `from gmssl.lazy import torch`; files that hold `nn.Module` or
`autograd.Function` subclasses import torch plainly and are imported inside `build`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class _LazyModule:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)  # the next access costs a dictionary look-up only
        return value


if TYPE_CHECKING:
    import numpy
    import torch
else:
    numpy = _LazyModule("numpy")
    torch = _LazyModule("torch")

__all__ = ["numpy", "torch"]
