"""Settings of the tests of segmentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmssl.interfaces.cases import Case
from tests.parts.tasks.segmentation.discs import discs


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """Six images of discs with their masks."""
    return discs(6, tmp_path)
