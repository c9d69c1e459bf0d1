# SPDX-License-Identifier: Apache-2.0
"""Ranges and scales of quantisers obey their laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import RANGES, SCALES
from bitwright.compress.ranges import Values
from bitwright.compress.ranges.errors import quantisation_errors
from bitwright.ir.types import IntType, integer

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
Floats = NDArray[np.float32]

DRAWS: dict[str, Callable[[np.random.Generator], NDArray[np.float64]]] = {
    "gauss": lambda rng: rng.normal(size=(3, 10_000)),
    "laplace": lambda rng: rng.laplace(size=(3, 10_000)),
    "heavy": lambda rng: rng.standard_t(3, size=(3, 10_000)),
    "relu": lambda rng: np.maximum(rng.normal(size=(3, 10_000)), 0),
    "few": lambda rng: rng.normal(size=(3, 5)) * [[1e-3], [1], [1e3]],
}


def rows(draw: str) -> Floats:
    return DRAWS[draw](np.random.default_rng(0)).astype(np.float32)


def codes_for(values: Floats, bits: int) -> IntType:
    return integer(bits, signed=bool(values.min() < 0), narrow=bool(values.min() < 0))


def error(values: Floats, scale: Floats, codes: IntType) -> NDArray[np.float64]:
    """The definition, in plain float64 arithmetic on float32 quotients."""
    quantised = np.clip(np.rint(values / scale), codes.lo, codes.hi).astype(np.float64) * scale
    return ((quantised - values) ** 2).mean(axis=1)


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16])
@pytest.mark.parametrize("draw", DRAWS)
def test_max_clips_nothing_and_wastes_nothing(draw: str, bits: int) -> None:
    values = rows(draw)
    codes = codes_for(values, bits)
    scale = RANGES["max"](Values.of(values), codes, SCALES["free"])
    assert scale.shape == (3, 1)
    np.testing.assert_array_equal(np.rint(np.abs(values) / scale).max(axis=1), codes.hi)
    np.testing.assert_allclose(np.abs(values).max(axis=1, keepdims=True) / codes.hi, scale, rtol=1e-6)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("rule", SCALES)
def test_mse_is_never_above_max_nor_above_any_grid_point(rule: str, draw: str, bits: int) -> None:
    values = rows(draw)
    codes = codes_for(values, bits)
    largest = RANGES["max"](Values.of(values), codes, SCALES[rule])
    best = RANGES["mse"](Values.of(values), codes, SCALES[rule])
    reached = error(values, best, codes) * (1 - 1e-6)
    assert (reached <= error(values, largest, codes)).all()
    for scale in SCALES[rule].below(largest):
        assert (reached <= error(values, scale, codes)).all()


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("draw", ["gauss", "laplace", "heavy", "relu"])
def test_mse_is_within_one_percent_of_an_exhaustive_search(draw: str, bits: int) -> None:
    values = rows(draw)
    codes = codes_for(values, bits)
    largest = RANGES["max"](Values.of(values), codes, SCALES["free"])
    exhaustive = np.min([error(values, (k / 500 * largest).astype(np.float32), codes) for k in range(1, 501)], axis=0)
    assert (error(values, RANGES["mse"](Values.of(values), codes, SCALES["free"]), codes) <= 1.01 * exhaustive).all()


def test_mse_of_ternary_gauss_finds_the_known_optimum() -> None:
    values = np.random.default_rng(0).normal(size=(1, 1_000_000)).astype(np.float32)
    scale = RANGES["mse"](Values.of(values), integer(2, signed=True, narrow=True), SCALES["free"])
    assert scale.item() == pytest.approx(1.224, rel=0.01)  # Lloyd-Max with three levels


@pytest.mark.parametrize("method", RANGES)
def test_po2_scales_are_powers_of_two_and_max_still_clips_nothing(method: str) -> None:
    values = rows("heavy")
    codes = integer(4, signed=True, narrow=True)
    scale = RANGES[method](Values.of(values), codes, SCALES["po2"])
    assert (np.frexp(scale)[0] == 0.5).all()
    if method == "max":
        assert (np.abs(values).max(axis=1, keepdims=True) <= scale * codes.hi).all()
        assert (np.abs(values).max(axis=1, keepdims=True) > scale / 2 * codes.hi).all()


def test_asymmetric_codes_use_their_lowest_value() -> None:
    values = np.array([[-8.0, 3.5]], dtype=np.float32)
    assert RANGES["max"](Values.of(values), integer(4, signed=True), SCALES["free"]).item() == 1.0


@pytest.mark.parametrize("method", RANGES)
@pytest.mark.parametrize("rule", SCALES)
def test_zeros_get_scale_one(rule: str, method: str) -> None:
    zeros = np.zeros((2, 4), dtype=np.float32)
    scale = RANGES[method](Values.of(zeros), integer(4, signed=True, narrow=True), SCALES[rule])
    np.testing.assert_array_equal(scale, 1)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("draw", DRAWS)
def test_errors_by_sums_between_the_steps_are_those_of_the_definition(draw: str, bits: int) -> None:
    for row in rows(draw):
        codes = codes_for(row, bits)
        values = Values.of(row[None])
        scales = SCALES["free"].below(RANGES["max"](values, codes, SCALES["free"]))
        found = quantisation_errors(values, scales, codes)[:, 0] / len(row)
        wanted = np.array([error(row[None], scale, codes)[0] for scale in scales])
        known = np.isfinite(found)
        np.testing.assert_allclose(found[known], wanted[known], rtol=1e-4)
        assert (wanted[~known] >= wanted.min()).all() and (bits < 8 or not known.all())


@pytest.mark.parametrize("bits", [2, 4, 8, 12])
def test_a_value_that_stands_for_many_counts_for_as_many(bits: int) -> None:
    row = rows("laplace")[:1, :500]
    times = np.random.default_rng(1).integers(1, 9, size=(1, 500))
    repeated = Values.of(np.repeat(row[0], times[0])[None])
    weighted = replace(Values.of(row), weight=times.astype(np.float32))
    codes = codes_for(row, bits)
    scales = SCALES["free"].below(RANGES["max"](repeated, codes, SCALES["free"]))[:20]
    one, two = (quantisation_errors(values, scales, codes) for values in (weighted, repeated))
    np.testing.assert_allclose(one, two, rtol=1e-3)
    assert np.isfinite(one).any()
