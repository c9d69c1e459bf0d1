# SPDX-License-Identifier: Apache-2.0
"""How much is computed, in calls of functions: a count is the same on every machine, however busy it is."""

from __future__ import annotations

from collections.abc import Callable
from cProfile import Profile
from fractions import Fraction
from pathlib import Path
from pstats import Stats
from random import Random
from typing import TypeVar

import numpy as np
import pytest

import bitwright as bw
from benchmarks.mobilenet import mobilenet
from bitwright.check import check
from bitwright.exact.certificate import certify
from bitwright.exact.meaning import limits
from bitwright.exact.ranges import Ranges, accumulator_range, ranges
from bitwright.exact.requantise import forms
from bitwright.exact.slopes import points, slope_intervals
from bitwright.exact.steps import steps
from bitwright.exact.tabulate import tabulate
from bitwright.hardware.plan import Plan
from bitwright.ir.files import to_bytes
from bitwright.ir.functions import function_of
from bitwright.ir.layers import Conv, Requantise, Rounding
from bitwright.ir.types import integer
from bitwright.planning.candidates import candidates
from bitwright.planning.devices import DEVICES
from bitwright.planning.price import Scale
from bitwright.planning.solver import solve
from tests.exact.meaning import float32, requantise
from tests.test_check import random_forms, write

pytestmark = pytest.mark.slow
T = TypeVar("T")


def counted(function: Callable[[], T]) -> tuple[T, int]:
    """What `function` gives, and how many functions were called on the way, those of compiled libraries included."""
    profile = Profile()
    made = profile.runcall(function)
    return made, Stats(profile).total_calls  # type: ignore[attr-defined]


def scaled(channels: int, seed: int) -> Requantise:
    """Per channel: a batch normalisation behind a quantised convolution."""
    random = Random(seed)
    m = [float32(random, 0.001, 0.01) * float32(random, 0.5, 1) / float32(random, 0.3, 0.4) for _ in range(channels)]
    b = [float32(random, -9, 9) / float32(random, 0.3, 0.4) for _ in range(channels)]
    return requantise(m, b, high=(255,))


def test_weights_are_summed_in_whole_arrays() -> None:
    """Twenty-five million of them."""
    weights = np.random.default_rng(3).integers(-7, 8, (5000, 5000))
    x = Ranges(np.zeros(5000, dtype=np.int64), np.full(5000, 255))
    found, calls = counted(lambda: accumulator_range(weights, x))
    np.testing.assert_array_equal(found.lo, 255 * np.minimum(weights, 0).sum(axis=1))
    np.testing.assert_array_equal(found.hi, 255 * np.maximum(weights, 0).sum(axis=1))
    assert calls < 200


def test_steps_of_ten_thousand_channels() -> None:
    layer, channels = scaled(10_000, 1), 10_000
    found, calls = counted(lambda: steps(layer, np.full(channels, -30_000), np.full(channels, 300_000)))
    assert int(found.count.min()) == 255
    assert calls < 80 * channels


def test_slopes_of_ten_thousand_channels() -> None:
    layer, channels = scaled(10_000, 9), 10_000
    found = steps(layer, np.full(channels, -30_000), np.full(channels, 300_000))
    slopes, calls = counted(lambda: slope_intervals(points(found, *limits(layer))))
    assert len(slopes) == channels and None not in slopes
    assert calls < 4 * channels


def test_forms_of_two_thousand_channels_of_eight_bits() -> None:
    layer, channels = scaled(2048, 7), 2048
    found, calls = counted(lambda: forms(layer, np.full(channels, -30_000), np.full(channels, 300_000)))
    assert [form.kind for form in found] == ["mas", "thresholds"]
    assert calls < 200 * channels


def test_a_table_of_sixteen_bits_is_not_evaluated_at_every_code() -> None:
    weights, calls = counted(
        lambda: tabulate(
            function_of("sigmoid", ("affine", "255", "0")), integer(16, signed=True),
            scale=Fraction(1, 4096), zero=Fraction(0), rounding=Rounding.HALF_EVEN, low=-128, high=127, shift=0,
        )
    )  # fmt: skip
    assert len(weights.array) == 65536
    assert calls < 10 * 65536


def test_the_checker_on_a_wide_layer(tmp_path: Path) -> None:
    """256 channels of 256 codes over 20 bits."""
    rng, net = np.random.default_rng(5), bw.Net()
    made = net.dense(net.input("x", (64,), "u8"), rng.integers(-127, 128, (256, 64)))
    slopes, offsets = (
        [Fraction(float(v)) for v in np.float32(rng.uniform(*of, 256))] for of in ((2e-4, 4e-4), (0, 255))
    )
    net.rescale(made, "u8", multiplier=slopes, offset=offsets)
    graph = net.graph()
    folder = write(tmp_path, to_bytes(graph), certify(graph, random_forms(graph, 0), ranges(graph), {}))
    verdicts, calls = counted(lambda: check(folder))
    assert all(verdict.ok for verdict in verdicts)
    assert calls < 100 * 256 * 256


def test_a_graph_of_the_size_of_mobilenet_is_planned() -> None:
    graph = mobilenet()
    assert sum(layer.macs for layer in graph.layers if isinstance(layer, Conv)) == 567_716_352, "568 million"
    offered = candidates(graph, Plan(), ranges(graph))
    found, calls = counted(lambda: solve(graph, 802_816, offered, Scale(DEVICES["xcvu9p"].budget)))
    assert found.certificate["status"] == "optimal" and found.interval == 802_816
    assert calls < 5_000_000
