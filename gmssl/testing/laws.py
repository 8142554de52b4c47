"""What laws are made of, so that pytest and `gmssl parts check` run the same ones.

A contract is a class of methods `test_…`; each is a law, its docstring says it. A law that takes `data` is decorated by
`law` and tried on the examples that hypothesis draws.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, TypeVar

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st


class DoesNotApply(unittest.SkipTest):
    """The law says nothing about this part, and why; pytest and hypothesis take it for a skip."""


def require(holds: bool | torch.Tensor, reason: str) -> None:
    """Raise AssertionError with `reason` unless it holds; `assert` would vanish under `python -O`."""
    if not bool(holds):
        raise AssertionError(reason)


def applies_if(condition: bool, reason: str) -> None:
    """Raise DoesNotApply with `reason` unless the condition is true."""
    if not condition:
        raise DoesNotApply(reason)


class Contract:
    """Base of all contracts.

    Attributes:
        examples: how many examples a law is tried on.
        reproducible: draw the same examples each time, and neither simplify nor remember one that breaks a law.
    """

    examples: ClassVar[int] = 25
    reproducible: ClassVar[bool] = False


C = TypeVar("C", bound=Contract)


def law(method: Callable[[C, st.DataObject], None]) -> Callable[[C], None]:
    """A method that draws from `data` becomes one without arguments that tries `examples` examples."""

    @wraps(method)
    def tried(self: C) -> None:
        def example(data: st.DataObject) -> None:
            method(self, data)

        # Names the example in hypothesis' store of past failures.
        example.__name__ = example.__qualname__ = f"{type(self).__name__}__{method.__name__}"
        configured = settings(
            max_examples=self.examples,
            deadline=None,  # first calls compile
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow],
        )
        if self.reproducible:
            configured = settings(configured, derandomize=True, database=None, phases=[Phase.generate])
        configured(given(st.data())(example))()

    del tried.__wrapped__  # type: ignore[attr-defined]  # pytest would take `data` for a fixture
    return tried


@dataclass(frozen=True)
class Verdict:
    """What a law says of a part.

    Attributes:
        law: its name in words.
        holds: None where it does not apply.
        reason: what it demands, how it is broken, or why it does not apply; one line.
    """

    law: str
    holds: bool | None
    reason: str


def laws_of(contract: type[Contract]) -> list[str]:
    """Names of the laws, in the order of their definition, those of bases first."""
    bases = reversed(contract.__mro__)
    return list(dict.fromkeys(name for base in bases for name in vars(base) if name.startswith("test_")))


def verdict(contract: Contract, name: str) -> Verdict:
    """Try one law; whatever is raised breaks it."""
    method = getattr(contract, name)
    words = name.removeprefix("test_").replace("_", " ")
    try:
        method()
    except unittest.SkipTest as reason:
        return Verdict(words, None, _line(reason))
    except AssertionError as error:
        return Verdict(words, False, _line(error))
    except Exception as error:
        return Verdict(words, False, f"{type(error).__name__}: {_line(error)}")
    return Verdict(words, True, _line(method.__doc__))


def _line(text: Any) -> str:
    return str(text or "").strip().partition("\n")[0]
