"""Frames that are read one by one from a file that does not fit into memory."""

from __future__ import annotations

import contextlib
import operator
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from gmssl.lazy import numpy
from gmssl.parts.readers.files import telling


class LazyFrames(ABC):
    """Images of one file (see `gmssl.interfaces.reader.Frames`), which is opened at the first use in each process.

    Args:
        root, name: the file, and what messages call it.
        length: number of images.
    """

    def __init__(self, root: Path, name: str, length: int) -> None:
        self.root, self.name, self._length = root, name, length
        self._opened: tuple[int, Any] | None = None

    @abstractmethod
    def open(self) -> Any:
        """A handle with a method `close`; raises whatever is wrong."""

    @abstractmethod
    def image(self, handle: Any, index: int) -> numpy.ndarray:
        """Image `[H,W]` or `[H,W,3]` of a number from 0 to below the length; raises whatever is wrong."""

    def __len__(self) -> int:
        """Number of images."""
        return self._length

    def __getitem__(self, index: int) -> numpy.ndarray:
        """One image; numbers below zero count from the end.

        Raises:
            DataError: it is damaged; the message names the file.
            IndexError: there is no such image.
        """
        index = operator.index(index)
        if not -self._length <= index < self._length:
            raise IndexError(index)
        with telling(self.root, self.name):
            if self._opened is None or self._opened[0] != os.getpid():  # a fork shares the place in the file
                self._opened = (os.getpid(), self.open())
            return self.image(self._opened[1], index % self._length)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __del__(self) -> None:
        opened = self.__dict__.get("_opened")
        if opened is not None and opened[0] == os.getpid():
            with contextlib.suppress(Exception):
                opened[1].close()
