"""The front by its definition; labels by their boxes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gmssl.benchmarking.solvers.picture import draw, front, place_labels, save
from gmssl.benchmarking.solvers.report import Report

NUMBERS = st.integers(0, 6).map(float)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=12)


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] <= other[1] and one != other


@given(POINTS)
def test_front(points: list[tuple[float, float]]) -> None:
    kept = front(points)
    on_front = [points[i] for i in kept]
    assert set(on_front) == {p for p in points if not any(beats(other, p) for other in points)}
    assert on_front == sorted(set(on_front)), "by increasing time, and equal points once"


def test_labels_overlap_neither_each_other_nor_points(report: Report) -> None:
    figure = draw(report)
    figure.canvas.draw()
    for ax in figure.axes:
        labels = [text for text in ax.texts if text.get_text()]
        assert {label.get_text() for label in labels} == {row.solver for row in report.sizes[0].rows}
        boxes = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        for row in report.sizes[0].rows:
            x, y = ax.transData.transform((row.wall_us, 100 * row.relative_gap))
            assert not any(box.contains(x, y) for box in boxes)
        assert all(ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1 for box in boxes)


def test_a_label_without_any_free_place_is_written_all_the_same() -> None:
    figure = Figure(figsize=(1, 1))
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    figure.canvas.draw()
    (label,) = place_labels(ax, [(0.5, 0.5, "a name far too long for this little picture")], [])
    assert label.get_text().startswith("a name")


def test_picture_is_a_png(report: Report, tmp_path: Path) -> None:
    save(report, tmp_path / "front.png")
    with Image.open(tmp_path / "front.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000


def test_a_size_without_rows_has_no_panel(report: Report) -> None:
    report.sizes[0].rows.clear()  # both sizes of the fixture share the list
    assert len(draw(report).axes) == 1
