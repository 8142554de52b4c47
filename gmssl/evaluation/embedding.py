"""Features of images as a file: Parquet, NumPy's npz, or CSV."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import numpy
import torch

from gmssl.errors import DataError
from gmssl.evaluation.encoders import FrozenEncoder
from gmssl.evaluation.features import extract
from gmssl.evaluation.progress import Stages
from gmssl.interfaces.data import Images
from gmssl.system.files import replacing


@dataclass(frozen=True, eq=False)
class Embedding:
    """Features of the readable images, in the order in which folder or manifest lists them.

    Attributes:
        paths: paths of N images, as the source names them: relative to the folder, or as in the manifest.
        labels: label of each image, or None.
        patients: patient of each image, or None.
        features: pooled features, `[N,C]` float32.
        unreadable: paths of the images that were left out.
    """

    paths: tuple[str, ...]
    labels: tuple[str | None, ...]
    patients: tuple[str | None, ...]
    features: numpy.ndarray
    unreadable: tuple[str, ...]


def embed(
    encoder: FrozenEncoder,
    images: Images,
    workers: int = 0,
    batch: int = 256,
    device: torch.device | None = None,
    stages: Stages | None = None,
) -> Embedding:
    """Pooled features of all readable images, labelled or not, exactly as `gmssl evaluate` computes them.

    Args:
        encoder: it is moved to the device.
        images: what to encode.
        workers: number of loader processes.
        batch: images in one forward pass.
        device: where the encoder runs; default: the GPU if there is one.
        stages: shows the progress; None shows nothing.

    Raises:
        DataError: no image is readable.
        TrainingError: there are features that are not finite.
    """
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with (stages or Stages()).stage("features", len(images), "images") as advance:
        look = encoder.views, encoder.in_channels, encoder.image_size
        features, indices = extract(encoder.to(device), images, *look, batch, workers, advance)
    kept = indices.tolist()
    records = [images.records[i] for i in kept]
    lost = sorted(set(range(len(images))) - set(kept))
    return Embedding(
        tuple(record.name for record in records),
        tuple(record.label for record in records),
        tuple(record.patient for record in records),
        features.numpy(),
        tuple(images.records[i].name for i in lost),
    )


def refuse_out(out: Path, overwrite: bool = False) -> None:
    """Find out before anything is computed whether features can be written there.

    Raises:
        DataError: the name has another ending, a library or the folder is missing, or the file exists already.
    """
    if out.suffix not in _WRITERS:
        raise DataError(f"{out} does not end in {', '.join(_WRITERS)}. Choose one of these formats.")
    if out.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise DataError(
            "Parquet needs the package pyarrow, which is not installed; pip install 'gmssl[parquet]', or write .npz."
        )
    if not out.parent.is_dir():
        raise DataError(f"there is no folder {out.parent} to write {out.name} to. Make it, or give another path.")
    if out.is_dir():
        raise DataError(f"{out} is a folder. Give the path of a file.")
    if out.exists() and not overwrite:
        raise DataError(f"{out} exists already. Give another path, or --overwrite to replace it.")
    if not os.access(out.parent, os.W_OK):
        raise DataError(f"nothing can be written to the folder {out.parent}. Give another path, or mend that.")


def refuse_names(images: Images) -> None:
    """Find out before anything is computed whether all names can be written.

    Raises:
        DataError: a file name is no Unicode text.
    """
    for record in images.records:
        try:
            record.name.encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(f"the file name {record.name!a} is no text in UTF-8. Rename the file.") from None


def write(embedding: Embedding, out: Path) -> None:
    """Write features in the format that the ending of the name asks for; the file appears whole or not at all.

    A missing label or patient is null in Parquet and empty in the other formats.

    Raises:
        DataError: see `refuse_out`, except that a file that exists is replaced.
    """
    refuse_out(out, overwrite=True)
    with replacing(out) as file:
        _WRITERS[out.suffix](embedding, file)


def _parquet(embedding: Embedding, file: IO[bytes]) -> None:
    import pyarrow
    import pyarrow.parquet

    flat = pyarrow.array(embedding.features.reshape(-1), pyarrow.float32())
    columns = {
        "path": pyarrow.array(embedding.paths, pyarrow.string()),
        "label": pyarrow.array(embedding.labels, pyarrow.string()),
        "patient": pyarrow.array(embedding.patients, pyarrow.string()),
        "features": pyarrow.FixedSizeListArray.from_arrays(flat, embedding.features.shape[1]),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), file)


def _npz(embedding: Embedding, file: IO[bytes]) -> None:
    # This is text and not objects, which NumPy would pickle: whoever reads those must allow that code is run.
    numpy.savez(
        file,
        paths=numpy.array(embedding.paths, dtype=numpy.str_),
        labels=numpy.array([label or "" for label in embedding.labels], dtype=numpy.str_),
        patients=numpy.array([patient or "" for patient in embedding.patients], dtype=numpy.str_),
        features=embedding.features,
    )


def _csv(embedding: Embedding, file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["path", "label", "patient", *(f"f{i}" for i in range(embedding.features.shape[1]))])
    rows = zip(embedding.paths, embedding.labels, embedding.patients, embedding.features, strict=True)
    for path, label, patient, numbers in rows:
        # str of a float32 has just the digits that give the same float32 again.
        table.writerow([path, label or "", patient or "", *map(str, numbers)])
    text.flush()
    text.detach()  # or it closes the file, which is not its own


_WRITERS = {".parquet": _parquet, ".npz": _npz, ".csv": _csv}
