import io
from contextlib import contextmanager

import pytest
import torch
from rich.console import Console

from gmssl.errors import DataError
from gmssl.evaluation.evaluating import Candidate, compare
from gmssl.evaluation.loading import Look
from gmssl.evaluation.progress import Stages


def captured(terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=terminal)


def test_without_a_terminal_each_finished_stage_is_one_line():
    console = captured(terminal=False)
    with Stages(console).stage("reading", 3, "images") as advance:
        advance(3)
        assert console.file.getvalue() == ""
    assert console.file.getvalue().startswith("reading: 3 images, 0.0 s")
    assert console.file.getvalue().count("\n") == 1


def test_a_terminal_shows_what_is_done_and_the_time_left():
    console = captured(terminal=True)
    with Stages(console).stage("reading", 4, "images") as advance:
        advance(1)
    shown = console.file.getvalue()
    assert "1/4" in shown
    assert "-:--:--" in shown  # after a single step, the time left is unknown
    assert "reading: 4 images" in shown


def test_a_stage_that_fails_leaves_its_message_alone():
    console = captured(terminal=False)
    with pytest.raises(DataError), Stages(console).stage("reading", 3, "images"):
        raise DataError("broken")
    assert console.file.getvalue() == ""


@pytest.mark.parametrize("with_test_set", [False, True])
def test_every_stage_of_an_evaluation_reaches_its_end(encoder, squares, views, with_test_set):
    told, done = [], []

    class Counting(Stages):
        @contextmanager
        def stage(self, words, total, unit):
            told.append((words, total))
            done.append(0)

            def advance(more):
                done[-1] += more

            yield advance

    look = Look(views, 1, 16, 0, torch.device("cpu"))
    test = squares(6, seed=1) if with_test_set else None
    compare(
        [Candidate("some", "an encoder", encoder)], look, squares(12), test, folds=2, neighbours=3, stages=Counting()
    )
    assert done == [total for _, total in told]
    names = [words for words, _ in told]
    assert names[0] == "read"
    assert names[-3:] == ["some: features", "some: kNN and linear probe", "pixels: kNN and linear probe"]
