"""What is broken in an archive is told by file and reason and counted up to the limit of the corpus; the rest stays."""

from __future__ import annotations

import contextlib
import errno
import html
import io
import itertools
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.corpus import build as building
from gmssl.corpus import plan as planning
from gmssl.corpus import unit
from gmssl.corpus.build import build_store
from gmssl.corpus.recipe import corpus_of
from gmssl.errors import DataError
from gmssl.parts.data.store import HEADER, Store
from gmssl.system import files
from tests.corpus.broken import CASES, PLACE, SOUND, Case, mr_series, mr_slices, picture, volume
from tests.parts.readers.dicom.conftest import Files

WINDOW = {"kind": "given", "lower": 0, "upper": 255}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()


def ignored(*_: object) -> None:
    """Nobody is told."""


def settings(reader: dict[str, Any], **how: Any) -> dict[str, Any]:
    source = {"name": "s", "path": "archive", "reader": reader}
    return {"sources": [source], "names": "kept", "window": WINDOW, "slices": {"square": False}, **how}


def of(case: Case) -> dict[str, Any]:
    return settings(case.reader, **{**case.how, "slices": {"square": False, **case.how.get("slices", {})}})


def built(found: dict[str, Any], folder: str, jobs: int = 1) -> dict[str, Any]:
    (report,) = build_store(corpus_of(found), Path(folder), jobs, ignored, ignored)
    return report


def command(found: dict[str, Any], limit: float, out: str = "store") -> Any:
    Path("corpus.yaml").write_text(yaml.safe_dump(found))
    words = ["data", "build", "corpus.yaml", "--out", out, "--jobs", "1", "--set", f"max_unreadable={limit}"]
    return CliRunner().invoke(app, words)


def errors(done: Any) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def bytes_of(folder: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def images_of(folder: str) -> list[tuple[str, np.ndarray]]:
    images = Store(path=Path(folder)).images()
    return [(images.column("volume")[i].as_py(), np.asarray(images.load(i, 1))) for i in range(len(images))]


@pytest.mark.parametrize("name", CASES)
def test_it_is_told_and_counted_up_to_the_limit(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    case.sound(Path("archive"))
    sound = built(of(case), "sound")
    expected = [(volume, image.tobytes()) for volume, image in images_of("sound")]
    if "slices" not in case.how:
        images = SOUND[:1] if case.reader["kind"] == "pictures" else SOUND
        assert [image for _, image in expected] == [image.astype(np.uint8).tobytes() for image in images]
    assert sound["faults"] == []

    case.broken(Path("archive"))
    done = command(of(case), limit=0)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert done.stdout == ""
    (message,) = errors(done)
    assert re.search(r"1 of \d+ acquisitions are broken, more than max_unreadable 0 allows", message)
    assert case.said in message
    assert re.search(f"s: {case.name}: ", message)
    with pytest.raises(DataError, match="not finished; run the command that builds it again"):
        Store(path=Path("store")).images()

    done = command(of(case), limit=0.5)
    assert done.exit_code == 0, done.output
    (report,) = json.loads(Path("store/report.json").read_text())
    (fault,) = report["faults"]
    assert re.fullmatch(case.name, fault["name"])
    assert case.said in fault["reason"]
    assert str(tmp_path) not in fault["reason"]
    found = [(volume, image.tobytes()) for volume, image in images_of("store")]
    assert [one for one in found if one in expected] == expected
    assert len(found) == report["images"] == len(expected) + case.kept
    assert not list(Path("store").glob(".*"))
    assert case.said in html.unescape(Path("store/report.html").read_text())

    built({**of(case), "max_unreadable": 0.5}, "again", jobs=1)
    assert bytes_of("again") == bytes_of("store")


def test_mixed_orientations_of_a_series_are_volumes_of_their_own() -> None:
    """Each is what it is where the other one is not there."""
    turned = PLACE[:, [2, 1, 0, 3]] * [1, 1, 4, 1]
    series = [*mr_slices("one", SOUND), *mr_slices("two", 255 - SOUND, turned)]
    for number, data in enumerate(series):
        data.SeriesInstanceUID, data.PatientID, data.SOPInstanceUID = "1.2.9", "one", f"1.2.9.{number}"
    found = []
    for folder, data_sets in {"archive": series, "axial": series[:4], "sagittal": series[4:]}.items():
        Files.folder(Path(folder), data_sets)
        (source,) = settings({"kind": "dicom"})["sources"]
        report = built({**settings({"kind": "dicom"}), "sources": [{**source, "path": folder}]}, f"{folder}.store")
        assert report["faults"] == []
        volumes: dict[str, list[bytes]] = {}
        for name, image in images_of(f"{folder}.store"):
            volumes.setdefault(name, []).append(image.tobytes())
        assert all(len(images) == 4 for images in volumes.values())
        found.append(sorted(volumes.values()))
    both, axial, sagittal = found
    assert both == sorted(axial + sagittal)
    assert len(both) == 2


def test_gaps_that_are_kept_are_told_with_their_place() -> None:
    mr_series(Path("archive"), "good")[2].unlink()
    report = built(settings({"kind": "dicom"}), "store")
    (reason,) = report["left_out"]
    assert "1 missing between 32 and 36 mm; all are kept as one volume" in reason
    assert (report["images"], report["faults"]) == (3, [])


def test_segmentations_and_videos_are_no_faults() -> None:
    mr_series(Path("archive"), "good")
    mask = Files.image(np.ones((2, 6, 5), np.uint8), SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", NumberOfFrames=2)
    Files.save(mask, Path("archive/mask.dcm"))
    film = Files.image(np.ones((2, 6, 5), np.uint8), SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.4.1", NumberOfFrames=2)
    film.PixelData = encapsulate([bytes(4)])
    film["PixelData"].is_undefined_length = True
    Files.save(film, Path("archive/film.dcm"), MPEG4HP41)
    done = command(settings({"kind": "dicom"}), limit=0)
    assert done.exit_code == 0, done.output
    (report,) = json.loads(Path("store/report.json").read_text())
    assert (report["images"], report["faults"]) == (4, [])
    video, segmentation = sorted(report["left_out"])
    assert re.match(r"a video \(MPEG-4 .*\), which is not read; write its frames as pictures", video)
    assert segmentation == "no image, but a segmentation of one (SEG)."


def test_colours_of_nifti_are_kept() -> None:
    colours = np.random.default_rng(2).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)
    volume(Path("archive/good.nii"), colours.view([(c, "u1") for c in "RGB"])[..., 0])
    report = built(settings({"kind": "nifti"}, window={"kind": "by_modality"}), "store")
    assert (report["images"], report["faults"]) == (4, [])
    images = Store(path=Path("store")).images()
    for number in range(4):
        np.testing.assert_array_equal(np.asarray(images.load(number, 3)), colours[:, :, number].transpose(1, 0, 2))


def test_pixels_without_a_size_are_read_and_not_cut_otherwise() -> None:
    mr_series(Path("archive"), "good", PixelSpacing=["0", "0"])
    report = built(settings({"kind": "dicom"}), "store")
    assert (report["images"], report["faults"]) == (4, [])
    with pytest.raises(DataError, match="no axial slices can be cut: it does not say how it lies in space"):
        built(settings({"kind": "dicom"}, slices={"axis": "axial"}), "across")


def test_two_sources_that_claim_a_file_are_told() -> None:
    for number in range(3):
        picture(Path(f"archive/{number}.png"), SOUND[number])
    found = settings({"kind": "pictures"})
    found["sources"].append({**found["sources"][0], "name": "again", "include": "2.png"})
    done = command(found, limit=0)
    assert done.exit_code == 2
    assert "1 of 4 acquisitions are broken" in done.stderr
    assert "again: 2.png: source s has the same file" in done.stderr
    done = command(found, limit=0.5)
    assert done.exit_code == 0, done.output
    first, second = json.loads(Path("store/report.json").read_text())
    assert (first["images"], first["faults"], second["images"]) == (3, [], 0)
    assert second["faults"] == [{"name": "2.png", "reason": "source s has the same file"}]
    assert len(images_of("store")) == 3


LIBRARIES = {"openslide": ("slides", ".svs"), "nibabel": ("nifti", ".nii"), "h5py": ("hdf5", ".h5")}
LIBRARIES |= {"SimpleITK": ("itk", ".nrrd"), "pydicom": ("dicom", ".dcm")}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_missing_library_is_told_once_with_its_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, ending = LIBRARIES[library]
    for number in range(3):
        Path(f"archive/{number}{ending}").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, library, None)
    done = command(settings({"kind": kind}), limit=1)
    assert done.exit_code == 2
    (message,) = errors(done)
    assert library in message
    assert "gmssl[med]" in message
    assert not list(Path("store").glob("*.arrow"))


def test_a_library_that_is_gone_since_the_listing_is_no_fault_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build may go on where the library is not installed, as on another machine of a cluster."""
    volume(Path("archive/a.nii"))
    volume(Path("archive/b.nii"))
    found = settings({"kind": "nifti"}, max_unreadable=1)
    built(found, "whole")
    with monkeypatch.context() as patch:
        patch.setattr(planning, "MOST", 1)
        patch.setattr(building, "build_unit", _killed)
        with pytest.raises(KeyboardInterrupt):
            built(found, "store")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "nibabel", None)
        with pytest.raises(DataError, match=r"nibabel, which does not load .*gmssl\[med\]"):
            built(found, "store")
    report = built(found, "store")
    assert (report["images"], report["faults"]) == (8, [])


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


class _Disk:
    """A disk with room for so many further bytes, which is noticed in the middle of a write or at the end of a file."""

    def __init__(self, room: int) -> None:
        self.room = room

    @contextlib.contextmanager
    def replacing(self, path: Path) -> Iterator[Any]:
        with files.replacing(path) as file:
            yield _Limited(self, file)
            if self.room < 0:
                raise _no_space()


class _Limited(io.RawIOBase):
    def __init__(self, disk: _Disk, file: Any) -> None:
        super().__init__()
        self.disk, self.file = disk, file

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.disk.room -= memoryview(content).nbytes
        if self.disk.room < 0:
            raise _no_space()
        return int(self.file.write(content))


def _no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_what_goes_on_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        picture(Path(f"archive/{number}.png"), SOUND[number])
    monkeypatch.setattr(planning, "SMALL", 1)
    found = settings({"kind": "pictures"})
    built(found, "whole")
    whole = bytes_of("whole")
    arrows = {name: content for name, content in whole.items() if name.endswith(".arrow")}
    assert len(arrows) == 4
    told, full = "No space left on device. What is done is kept; make room or mend the fault", 0
    for room in range(0, sum(map(len, whole.values())), 4000):
        disk, store = _Disk(room), f"store{room}"
        with monkeypatch.context() as patch:
            patch.setattr(unit, "replacing", disk.replacing)
            done = command(found, limit=0.01, out=store)
        if disk.room < 0:
            assert done.exit_code == 2
            assert told in done.stderr
            full += 1
        kept = bytes_of(store)
        assert all(content == kept[name] for name, content in arrows.items() if name in kept)
        built(found, store)
        assert bytes_of(store) == whole
    assert full >= 4


def test_a_disk_that_is_full_at_any_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever file it is whose bytes do not reach the disk, the plan and the header among them."""
    for number in range(2):
        picture(Path(f"archive/{number}.png"), SOUND[number])
    monkeypatch.setattr(planning, "SMALL", 1)
    found = settings({"kind": "pictures"})
    assert command(found, limit=0, out="whole").exit_code == 0
    for allowed in itertools.count():
        calls = itertools.count()

        def sync(handle: int) -> None:
            if not os.path.isdir(f"/proc/self/fd/{handle}") and next(calls) >= allowed:  # noqa: B023
                raise _no_space()

        with monkeypatch.context() as patch:
            patch.setattr(files.os, "fsync", sync)
            done = command(found, limit=0, out=f"store{allowed}")
        if done.exit_code == 0:
            break
        assert done.exit_code == 2, done.output
        (message,) = errors(done)
        assert "No space left on device. What is done is kept" in message
        assert not Path(f"store{allowed}", HEADER).exists()
        done = command(found, limit=0, out=f"store{allowed}")
        assert done.exit_code == 0, done.output
        assert bytes_of(f"store{allowed}") == bytes_of("whole")
    assert allowed >= 9, "the plan, two files and what became of them, report, page, state, info, header"
