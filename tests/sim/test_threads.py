# SPDX-License-Identifier: Apache-2.0
"""Samples in several threads: each of them once, whatever happens, and no thread where none pays."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import bitwright as bw
from bitwright.frontend.lowering import load_onnx
from bitwright.sim import threads, whole
from bitwright.sim.engines import Built
from tests.frontend.nets import Net, grid
from tests.frontend.refusing import axes
from tests.frontend.test_layout import codes, matrix
from tests.needs import needs_cxx


def several(monkeypatch: pytest.MonkeyPatch, worth: float = 1e-12) -> None:
    monkeypatch.setattr(threads, "processors", lambda: 3)
    monkeypatch.setattr(threads, "WORTH", worth)


@pytest.mark.parametrize("samples", [1, 2, 7, 8, 100])
@pytest.mark.parametrize("most", [1, 3, 1000])
def test_each_sample_is_worked_on_once(samples: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch)
    counts, sizes = np.zeros(samples, dtype=int), []

    def work(start: int, stop: int) -> None:
        counts[start:stop] += 1
        sizes.append(stop - start)

    threads.spread(work, samples, min(2, most), most)
    assert counts.tolist() == [1] * samples
    assert max(sizes) <= most


def test_threads_share_the_work_and_what_they_call_has_none_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch)
    met, asked, shared = threading.Barrier(2, timeout=60), list[int](), threads.pool()

    def pool() -> ThreadPoolExecutor:
        asked.append(threading.get_ident())
        return shared

    def work(start: int, stop: int) -> None:
        if start in (1, 2):
            met.wait()  # both are worked on at once
            threads.spread(lambda *_: None, 20, 1, 1)

    monkeypatch.setattr(threads, "pool", pool)
    threads.spread(work, 3, 1, 1)
    assert asked == [threading.get_ident()], "one helper, for the pieces outside"


def test_a_run_that_no_thread_is_worth_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch, worth=1e6)
    monkeypatch.setattr(threads, "pool", lambda: pytest.fail("a thread was asked for"))
    threads.spread(lambda start, stop: None, 1000, 1, 10)


def test_an_error_ends_the_work_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch)
    done: list[int] = []

    def work(start: int, stop: int) -> None:
        done.append(start)
        if start > 2:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        threads.spread(work, 10_000, 1, 1)
    assert len(done) < 100


@needs_cxx
def test_pieces_of_a_whole_model_come_back_in_order_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs, integers and outputs in pieces, by several threads, beside all of them at once."""
    several(monkeypatch)
    monkeypatch.setattr(whole, "CACHED", 200)
    net = bw.Net()
    net.rescale(net.input("x", (3,), "s8"), "s8", multiplier=1 / 3)
    graph, given, told = net.graph(), np.arange(-120, 120).reshape(80, 3), list[int]()
    np.testing.assert_array_equal(
        bw.run(graph, given, engine="fast", progress=told.append), bw.run(graph, given, engine="reference")
    )
    assert told == sorted(told)
    assert told[-1] == 80 and len(told) > 10


@needs_cxx
def test_rows_that_leave_on_the_first_axis_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(5, 4)
    x = net.add("Reshape", codes(net, net.x, 0.25), axes(net, -1, 4))
    codes(net, net.add("MatMul", x, matrix(net, np.random.default_rng(3), 4, 3)))
    graph, samples = load_onnx(net.proto()), grid(60, 5, 4, span=8)
    want = bw.run(graph, samples, engine="reference")
    several(monkeypatch)
    monkeypatch.setattr(whole, "CACHED", 1000)
    assert want.shape == (300, 3)
    np.testing.assert_array_equal(bw.run(graph, samples, engine="fast"), want)


def test_an_engine_that_does_not_say_so_is_run_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch)
    net = bw.Net()
    net.rescale(net.input("x", (3,), "s8"), "s8", multiplier=1)
    found: list[int] = []

    def compute(codes: list[np.ndarray]) -> tuple[list[np.ndarray], dict[str, int]]:
        found.append(threading.get_ident())
        return [codes[0]], {}

    whole.outputs(net.graph(), {"x": np.zeros((50_000, 3), np.int64)}, Built(0.0, compute))
    assert found == [threading.get_ident()]
