"""Readers on the test files of the libraries that they stand on: each file is read equal, or refused with a reason.

`python benchmarks/readers.py --nifti` prints a row for each of nibabel's own test files and the counts; it ends with
exit code 1 where a file is read other than nibabel reads it, or an error is none of ours.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
from rich.console import Console
from rich.table import Table

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition, Scan
from gmssl.parts.readers.nifti import Nifti

EQUAL, REFUSED, DIFFERENT = "equal", "refused", "DIFFERENT"
TO_LPS = np.array([-1.0, -1.0, 1.0])


def nifti() -> list[tuple[str, str, str]]:
    """File, outcome, and what was read or why nothing was."""
    root = Path(nibabel.__file__).parent / "tests" / "data"
    rows = []
    for name in sorted(p.name for p in root.iterdir() if p.is_file()):
        reader = Nifti()
        listing = reader.listing(root, [name])
        if listing.left_out:
            rows.append((name, REFUSED, listing.left_out[0].reason))
            continue
        try:
            scans = [(acquisition, reader.read(root, acquisition)) for acquisition in listing.acquisitions]
        except DataError as error:
            rows.append((name, REFUSED, str(error)))
            continue
        shape = np.asarray(scans[0][1].frames).shape
        same = same_as_nibabel(root, scans)
        rows.append((name, EQUAL if same else DIFFERENT, f"{len(scans)} × {' × '.join(map(str, shape))}"))
    return rows


def same_as_nibabel(root: Path, scans: list[tuple[Acquisition, Scan]]) -> bool:
    """Values within float32, and the places of the corner voxels within a nanometre."""
    image = nibabel.load(root / scans[0][0].files[0])
    values, minc = np.asarray(image.dataobj), isinstance(image, nibabel.Minc1Image)
    if values.ndim < 4:
        values = values[None] if minc else values[..., None]
    series = values if minc else np.moveaxis(values, 3, 0)
    if len(series) != len(scans):
        return False
    for volume, (_, scan) in zip(series, scans, strict=True):
        frames = np.asarray(scan.frames)
        theirs = volume if minc else volume.T
        if frames.shape != theirs.shape or not np.allclose(frames, theirs, rtol=1e-6, atol=0, equal_nan=True):
            return False
        corners = np.array(np.meshgrid(*[[0, n - 1] for n in frames.shape])).reshape(3, -1).T
        places = (corners if minc else corners[:, ::-1]) @ image.affine[:3, :3].T + image.affine[:3, 3]
        if scan.affine is None:
            return False
        own = corners @ scan.affine[:3, :3].T + scan.affine[:3, 3]
        if not np.allclose(own, places * TO_LPS, rtol=0, atol=1e-6):
            return False
    return True


def main() -> int:
    """Print the tables that are asked for; 0 if nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nifti", action="store_true", help="nibabel's test files")
    if not parser.parse_args().nifti:
        parser.error("say which files: --nifti")
    warnings.simplefilter("ignore")
    rows = nifti()
    table = Table("file", "outcome", "volumes × slices × rows × columns, or the reason")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    counts = Counter(outcome for _, outcome, _ in rows)
    console.print(", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())))
    return int(DIFFERENT in counts)


if __name__ == "__main__":
    raise SystemExit(main())
