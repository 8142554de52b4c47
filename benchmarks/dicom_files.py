"""Every file of pydicom's wheel through the reader of DICOM: which are read, which are left out, and why.

`python benchmarks/dicom_files.py` prints the table. "Equal" means that the reader gives what pydicom's own functions
give: `pixel_array` after the rescale or palette, exactly for whole numbers and as float32 otherwise; colours of more
than 8 bits are compared after scaling to 8. pydicom decodes with its own packages (`pip install "gmssl[dev]"`), but for
JPEG of 12 bits, for which SimpleITK is asked. Localizers and secondary captures are read here, too.
`--headers FOLDER` times the listing of a folder instead.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from gmssl.errors import DataError
from gmssl.parts.readers.dicom.headers import quiet
from gmssl.parts.readers.dicom.reader import Dicom


def expected(path: Path) -> np.ndarray:
    """What pydicom makes of a file: values after the rescale, or RGB of 8 bits; frames first."""
    from pydicom import dcmread
    from pydicom.pixels import apply_color_lut, apply_modality_lut

    fields = dcmread(path, force=True)
    if "TransferSyntaxUID" not in fields.file_meta:
        implicit, little = fields.original_encoding
        fields.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2" + ("" if implicit else ".1" if little else ".2")
    if fields.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.51":
        import SimpleITK

        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    values = fields.pixel_array
    if fields.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, fields)
    elif fields.SamplesPerPixel == 1:
        values = apply_modality_lut(values, fields)
    frames = values if int(fields.get("NumberOfFrames") or 1) > 1 else values[None]
    if frames.ndim == 4 and frames.dtype != np.uint8:
        bits = 8 * frames.dtype.itemsize
        frames = np.rint(frames * (255 / (2**bits - 1))).astype(np.uint8)
    return frames


def outcome(root: Path, name: str) -> str:
    """What becomes of one file by itself."""
    reader = Dicom(localizers=True, captures=True)
    listing = reader.listing(root, [name])
    if not listing.acquisitions:
        left = listing.left_out[0]
        return f"{'refused' if left.fault else 'left out'}: {left.reason}"
    given = []
    for acquisition in listing.acquisitions:
        try:
            scan = reader.read(root, acquisition)
        except DataError as error:
            return f"refused: {error}"
        given.append(np.stack([scan.frames[k] for k in range(len(scan.frames))]))
    try:
        with quiet():
            wanted = expected(root / name)
    except Exception as error:
        return f"read; pydicom does not ({' '.join(str(error).split())[:80]})"
    if len(given) != 1 or given[0].shape != wanted.shape:
        return f"different: {[g.shape for g in given]}, pydicom {wanted.shape}"
    wanted = wanted.astype(given[0].dtype) if given[0].dtype.kind == "f" else wanted
    return "equal" if np.array_equal(given[0], wanted) else "different values"


def syntax(path: Path) -> str:
    """Name of the transfer syntax that the header claims."""
    from pydicom import dcmread

    try:
        with quiet():
            return dcmread(path, force=True, stop_before_pixels=True).file_meta.TransferSyntaxUID.name
    except Exception:
        return ""


def table() -> None:
    """Print one row a file, and counts."""
    import pydicom.data

    root = (
        Path(pydicom.data.__file__).parent / "test_files"
    )  # pydicom's own function asks the network for further files
    paths = sorted(p for p in root.rglob("*") if p.is_file())
    console = Console(width=200)
    rows = Table("file", "transfer syntax", "outcome")
    counts: Counter[str] = Counter()
    by_syntax: dict[str, Counter[str]] = {}
    shown: dict[tuple[str, str, str], list[str]] = {}
    for path in paths:
        name = path.relative_to(root).as_posix()
        said, stored = outcome(root, name), syntax(path)
        word = said.partition(":")[0].partition(";")[0]
        counts[word] += 1
        by_syntax.setdefault(stored or "none", Counter())[word] += 1
        shown.setdefault((path.parent.relative_to(root).as_posix(), stored, said), []).append(path.name)
    for (folder, stored, said), names in shown.items():
        for name in names if folder == "." else [f"{folder}: {len(names)} files"]:
            rows.add_row(name, stored, said)
    console.print(rows)
    summary = Table("transfer syntax", *counts)
    for stored, found in sorted(by_syntax.items()):
        summary.add_row(stored, *(str(found[word] or "") for word in counts))
    summary.add_row("all", *(str(count) for count in counts.values()))
    console.print(summary)


def headers(folder: Path, rounds: int = 5) -> None:
    """Print how fast a folder is listed; the fastest of several rounds, files in the cache of the system."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = Dicom().listing(folder, names)
        seconds.append(time.perf_counter() - start)
    rate = len(names) / min(seconds)
    print(f"{len(names)} files, {len(found.acquisitions)} acquisitions, {rate:.0f} headers a second")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--headers", type=Path, help="folder whose listing is timed")
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers(arguments.headers) if arguments.headers else table()


if __name__ == "__main__":
    main()
