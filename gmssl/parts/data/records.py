"""Records that are looked up when they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

from gmssl.interfaces.data import Record


class LazyRecords(Sequence[Record]):
    """A sequence that holds none of its records: a million of them would be 0.4 GB."""

    @abstractmethod
    def record(self, index: int) -> Record:
        """The record of an image, 0 ≤ index < length."""

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """One record, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self.record(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.record(index % len(self))
