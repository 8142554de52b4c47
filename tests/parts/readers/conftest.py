"""What tests of readers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gmssl.errors import DataError
from gmssl.interfaces.reader import Listing, Reader, Scan

ARCHIVES = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture(scope="session")
def archives() -> Path:
    """Real files beside the checkout, which are not part of it."""
    if not ARCHIVES.is_dir():
        pytest.skip("no real files beside the checkout")
    return ARCHIVES


def _read_all(reader: Reader, root: Path, names: list[str] | None = None) -> tuple[Listing, dict[str, Scan | str]]:
    """A listing and, for each acquisition, its scan or why there is none. What else a reader raises fails the test.

    It says of every listing what all listings are: the same again, with every name in one place.
    """
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()) if names is None else names
    listing = reader.listing(root, names)
    assert listing == reader.listing(root, names)
    used = {file for acquisition in listing.acquisitions for file in acquisition.files}
    left = {left.name for left in listing.left_out}
    assert not used & {left.name for left in listing.left_out if left.fault}
    assert used | left >= {
        name for name in names if not name.lower().endswith((".img", ".rec", ".brik", ".raw", ".zraw"))
    }
    assert len({a.name for a in listing.acquisitions}) == len(listing.acquisitions)
    assert all(reason.reason and "\n" not in reason.reason for reason in listing.left_out)
    scans: dict[str, Scan | str] = {}
    for acquisition in listing.acquisitions:
        try:
            scan = reader.read(root, acquisition)
            np.asarray(scan.frames[len(scan.frames) - 1])
            scans[acquisition.name] = scan
        except DataError as error:
            message = str(error)
        else:
            continue
        assert acquisition.files[0] in message
        assert str(root) not in message
        scans[acquisition.name] = message
    return listing, scans


@pytest.fixture(scope="session")
def read_all():
    return _read_all
