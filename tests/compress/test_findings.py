# SPDX-License-Identifier: Apache-2.0
"""What calibration data cannot carry is said, and nothing is said of ordinary data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import calibrate, findings, quantised
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
CONV = graph(
    [node("Conv", "x w", "h"), node("Relu", "h", "r"), node("Conv", "r v", "y")],
    {"w": normal(4, 2, 3, 3), "v": normal(3, 4, 1, 1)},
    sample=[2, 6, 6],
)
DENSE = graph([node("MatMul", "x w", "y")], {"w": normal(10, 3)}, sample=[10])
IMAGES, ROWS = normal(48, 2, 6, 6), normal(64, 10)


def found(model: Any, data: Array, bits: int = 8, zero: str = "auto") -> list[tuple[str, str]]:
    """(tensor, kind) of each finding."""
    calibration = calibrate(model, [data])
    state = quantised(calibration, activations=bits, rounding="nearest", correct="none", zero=zero)
    return [(finding.tensor, finding.kind) for finding in findings(calibration, state.acts)]


def changed(data: Array, place: Any, value: float) -> Array:
    """The data with another value at a place."""
    copy = data.copy()
    copy[place] = value
    return copy


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_nothing_is_said_of_ordinary_data(bits: int) -> None:
    assert found(CONV, IMAGES, bits) == found(DENSE, ROWS, bits) == found(CONV, np.abs(IMAGES), bits) == []
    heavy = np.random.default_rng(0).laplace(size=(200, 10)).astype(np.float32)
    sparse = heavy * (np.random.default_rng(1).random(heavy.shape) < 0.02).astype(np.float32)
    assert found(DENSE, heavy, bits) == found(DENSE, sparse, bits) == []


@pytest.mark.parametrize("count", [1, 2, 15])
def test_few_samples_are_said(count: int) -> None:
    assert found(CONV, IMAGES[:count]) == [("x", "few samples")]


@pytest.mark.parametrize("value", [0, 1, -3])
def test_samples_that_are_all_equal_or_zero_are_said(value: float) -> None:
    kinds = found(DENSE, np.full_like(ROWS, value))
    assert kinds == [("x", "equal samples"), ("x", "constant")]
    assert ("x", "equal samples") in found(CONV, np.repeat(IMAGES[:1], 20, axis=0))


@pytest.mark.parametrize("place", [(7,), (7, 0, 3, 3)])
@pytest.mark.parametrize("value", [300, -4e4])
def test_a_broken_frame_and_a_saturated_pixel_are_said(place: tuple[int, ...], value: float) -> None:
    assert ("x", "outlier") in found(CONV, changed(IMAGES, place, value))


def test_a_saturated_element_of_every_sample_is_said() -> None:
    assert ("x", "unlike features") in found(CONV, changed(IMAGES, (slice(None), 0, 3, 3), 3e4))


@pytest.mark.parametrize(("level", "said"), [(1000, True), (-60, True), (3, False)])
def test_a_signal_far_from_zero_is_said_where_it_is_lost(level: float, said: bool) -> None:
    kinds = found(DENSE, ROWS + np.float32(level), zero="never")
    assert (("x", "far from zero") in kinds) == said
    assert found(DENSE, ROWS + np.float32(level), zero="always") == []


@pytest.mark.parametrize(("bits", "said"), [(8, True), (16, False)])
def test_a_feature_of_another_unit_is_said_where_its_signal_is_lost(bits: int, said: bool) -> None:
    units = np.array([1, 1, 1, 1, 0.01, 1, 1, 1, 1, 1], np.float32)
    assert found(DENSE, ROWS * units, bits) == ([("x", "unlike features")] if said else [])
    channels = np.array([1, 0.01], np.float32).reshape(2, 1, 1)
    assert found(CONV, IMAGES * channels, bits) == ([("x", "unlike features")] if said else [])


def test_a_tensor_inside_the_network_is_named() -> None:
    nodes = [
        node("Mul", "x zero", "h"),
        node("MatMul", "x w", "g"),
        node("Add", "h g", "s"),
        node("MatMul", "s v", "y"),
    ]
    constants = {"zero": np.zeros((), np.float32), "w": normal(10, 10), "v": normal(10, 3)}
    assert ("h", "constant") in found(graph(nodes, constants, sample=[10]), ROWS)


def test_a_finding_reads_as_a_sentence_with_its_figures() -> None:
    calibration = calibrate(DENSE, [changed(ROWS[:3], (1, 2), 500)])
    state = quantised(calibration, rounding="nearest", correct="none")
    assert [str(finding) for finding in findings(calibration, state.acts)] == [
        "tensor 'x' has 3 calibration samples; "
        "give 16 samples or more, as unlike each other as those that the network will meet",
        "tensor 'x' has a range of 500 that an outlier fills: nearly all values lie within 1.37; "
        "remove the broken sample from the calibration data, or choose another range rule",
    ]


def test_samples_that_no_rounding_sees_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitwright.compress.acts.MEMORY", 30_000)
    calibration = calibrate(CONV, [IMAGES])
    state = quantised(calibration)
    (said,) = findings(calibration, state.acts)
    assert str(said) == (
        f"tensor 'x' has 48 calibration samples, of which {calibration.side.samples} fit in memory: codes and biases "
        "are chosen by those; ranges are chosen by all"
    )
    assert 1 < calibration.side.samples < 48
