"""Slices in threads: all are done, the first failure ends the others, and Ctrl-C ends kernels that poll the flag."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from gmssl.parts.solvers.kernels.threads import in_slices, stopping_after, unstopped

KERNEL = """
import signal
import numpy as np
from numba import njit
from gmssl.parts.solvers.kernels.stop_numba import raised
from gmssl.parts.solvers.kernels.threads import in_slices, unstopped

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell runs the tests with &

@njit(nogil=True)
def spin(lo, hi, stop):
    steps = 0
    while lo < hi and not raised(stop):
        steps += 1
    return steps

stop = unstopped()
spin(0, 0, stop)
print("up", flush=True)
try:
    in_slices(lambda lo, hi: spin(lo, hi, stop), {count}, {threads}, stop, effort=1e9)
except KeyboardInterrupt:
    import threading
    print("ended", threading.active_count(), flush=True)
"""


@pytest.mark.parametrize("effort", [0.0, 1e9])
def test_slices_cover_everything_once(effort):
    for count in (0, 1, 2, 7, 64):
        for threads in (1, 3, 8):
            seen: list[int] = []
            in_slices(lambda lo, hi, seen=seen: seen.extend(range(lo, hi)), count, threads, unstopped(), effort)
            assert sorted(seen) == list(range(count))


@pytest.mark.parametrize("effort", [0.0, 1e9])
@pytest.mark.parametrize("threads", [2, 4])
def test_a_failure_ends_the_others(effort, threads):
    stop, taken = unstopped(), []

    def run(lo: int, hi: int) -> None:
        if lo == hi:
            return
        taken.append(lo)
        if lo == 0:
            raise ValueError("the first slice")
        while not stop[0]:
            time.sleep(0.001)

    with pytest.raises(ValueError, match="the first slice"):
        in_slices(run, 1000, threads, stop, effort)
    assert len(taken) <= threads


def test_long_work_leaves_the_calling_thread_free():
    used: set[int] = set()
    in_slices(lambda lo, hi: used.add(threading.get_ident()) if lo < hi else None, 8, 1, unstopped(), effort=1.0)
    assert used
    assert threading.get_ident() not in used
    used.clear()
    in_slices(lambda lo, hi: used.add(threading.get_ident()), 8, 1, unstopped(), effort=0.1)
    assert used == {threading.get_ident()}


@pytest.mark.parametrize(("count", "threads"), [(1, 1), (64, 2)])
def test_ctrl_c_ends_kernels_that_poll(count, threads):
    code = KERNEL.format(count=count, threads=threads)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert output == "ended 1\n"
    assert process.returncode == 0


def test_no_time_stops_at_once_and_none_never():
    for seconds in (0.0, -1.0):
        with stopping_after(seconds) as stop:
            assert stop[0] == 1
    with stopping_after(None) as stop:
        assert stop[0] == 0
    with stopping_after(0.05) as stop:
        assert stop[0] == 0
        deadline = time.perf_counter() + 10
        while not stop[0] and time.perf_counter() < deadline:
            time.sleep(0.01)
        assert stop[0] == 1


def test_an_inner_limit_obeys_the_outer_flag_and_its_own_time():
    with stopping_after(None) as outer:
        with stopping_after(60, outer) as inner:
            assert not inner[0]
            outer.fill(1)
            begin = time.perf_counter()
            while not inner[0] and time.perf_counter() - begin < 5:
                time.sleep(0.001)
            assert inner[0]
        outer.fill(0)
        with stopping_after(0.02, outer) as inner:
            time.sleep(0.5)
            assert inner[0]
            assert not outer[0]
        with stopping_after(None, outer) as inner:
            assert inner is outer
