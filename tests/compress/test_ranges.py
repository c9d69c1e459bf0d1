# SPDX-License-Identifier: Apache-2.0
"""Range rules against closed forms, plain oracles, and the laws that all of them keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import erfc, lambertw

from bitwright.compress import RANGES, SCALES
from bitwright.compress.ranges import Values
from bitwright.compress.ranges.fitted import SAWB, gauss_optimum, laplace_optimum
from bitwright.compress.ranges.kl import divergences
from bitwright.ir.types import IntType, integer
from tests.compress.test_scales import DRAWS, codes_for, rows

Doubles = NDArray[np.float64]
FREE = SCALES["free"]


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 12])
@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("rule", SCALES)
@pytest.mark.parametrize("method", RANGES)
def test_scales_are_positive_no_larger_than_clips_nothing_and_grow_with_the_values(
    method: str, rule: str, draw: str, bits: int
) -> None:
    values = rows(draw)[:, :3000]
    codes = codes_for(values, bits)
    scale, four = (RANGES[method](Values.of(some), codes, SCALES[rule]) for some in (values, 4 * values))
    assert scale.shape == (3, 1) and scale.dtype == np.float32
    assert (scale > 0).all() and (scale <= 1.05 * RANGES["max"](Values.of(values), codes, SCALES[rule])).all()
    np.testing.assert_array_equal(4 * scale, four)


@pytest.mark.parametrize("method", ["max", "percentile", "aciq", "sawb", "kl"])
def test_each_row_has_the_scale_that_it_has_alone(method: str) -> None:
    values = rows("laplace") * np.array([[1], [10], [0.01]], np.float32)
    codes = integer(4, signed=True, narrow=True)
    together = RANGES[method](Values.of(values), codes, FREE)
    alone = [RANGES[method](Values.of(row[None]), codes, FREE)[0] for row in values]
    np.testing.assert_allclose(together, alone, rtol=1e-6)


@pytest.mark.parametrize("method", RANGES)
def test_values_that_stand_for_many_count_for_as_many(method: str) -> None:
    row = np.random.default_rng(0).standard_t(3, size=(1, 20_000)).astype(np.float32)
    times = np.random.default_rng(1).integers(1, 4, size=row.shape)
    weighted = replace(Values.of(row), weight=times.astype(np.float32))
    codes = integer(4, signed=True, narrow=True)
    repeated = Values.of(np.repeat(row[0], times[0])[None])
    one, two = (RANGES[method](values, codes, FREE).item() for values in (weighted, repeated))
    assert one == pytest.approx(two, rel=0.02)


TABLE = {1: (1.863, 1.240), 2: (2.831, 1.711), 3: (3.897, 2.152), 4: (5.029, 2.559), 8: (9.897, 3.924)}
"""Bits -> the best clipping of a Laplace distribution of mean distance 1, and of a standard normal one (ACIQ)."""


def gauss_noise(clip: float, levels: int) -> float:
    """The error of a standard normal distribution as ACIQ has it."""
    tail = (clip**2 + 1) * erfc(clip / np.sqrt(2)) - np.sqrt(2 / np.pi) * clip * np.exp(-(clip**2) / 2)
    return float(tail + clip**2 / (3 * levels**2))


@pytest.mark.rows("R002")
@pytest.mark.parametrize("bits", range(1, 17))
def test_aciqs_clipping_is_the_closed_form(bits: int) -> None:
    levels = 2**bits
    assert laplace_optimum(levels) == pytest.approx(lambertw(3 * levels**2).real, rel=1e-9)
    found = minimize_scalar(gauss_noise, args=(levels,), bounds=(0.1, 12), method="bounded", options={"xatol": 1e-9})
    assert gauss_optimum(levels) == pytest.approx(found.x, rel=1e-5)
    if bits in TABLE:
        assert (laplace_optimum(levels), gauss_optimum(levels)) == pytest.approx(TABLE[bits], abs=1e-3)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_aciq_takes_the_likelier_distribution(bits: int) -> None:
    random = np.random.default_rng(0)
    codes = integer(bits, signed=True)
    for draw, optimum in (
        (random.laplace(size=100_000), laplace_optimum),
        (random.normal(size=100_000), gauss_optimum),
    ):
        scale = RANGES["aciq"](Values.of(draw[None].astype(np.float32)), codes, FREE)
        assert scale.item() * (codes.hi + 0.5) == pytest.approx(optimum(2**bits), rel=0.02)


@pytest.mark.parametrize("method", ["aciq", "sawb"])
def test_after_a_relu_the_fit_is_that_of_the_whole_distribution(method: str) -> None:
    draw = np.random.default_rng(0).laplace(size=(1, 100_000)).astype(np.float32)
    half = RANGES[method](Values.of(np.maximum(draw, 0)), integer(4, signed=False), FREE)
    whole = RANGES[method](Values.of(draw), IntType(-15, 15), FREE)
    assert half.item() == pytest.approx(whole.item(), rel=0.03)


def test_a_centre_away_from_zero_is_inside_the_range() -> None:
    draw = 5 + np.random.default_rng(0).normal(size=(1, 10_000)).astype(np.float32)
    codes = integer(6, signed=True)
    reach = RANGES["aciq"](Values.of(draw), codes, FREE).item() * codes.hi
    assert 5 + 2 < reach <= draw.max()


SIX = {
    "normal": stats.norm(),
    "uniform": stats.uniform(-1, 2),
    "laplace": stats.laplace(),
    "logistic": stats.logistic(),
    "triangle": stats.triang(0.5, -1, 2),
    "von Mises": stats.vonmises(4),
}


@pytest.mark.rows("R003")
@pytest.mark.parametrize("top", [1, 3, 7])
def test_sawbs_coefficients_are_those_of_the_fit(top: int) -> None:
    points = (np.arange(5001) + 0.5) / 10_002 + 0.5  # the upper halves: all six are symmetric
    grid = np.linspace(0, 30, 300_001)
    features, best = [], []
    for distribution in SIX.values():
        row = np.interp(points, distribution.cdf(grid), grid)[None].astype(np.float32)
        codes = IntType(0, top)
        reach = RANGES["mse"](Values.of(row), codes, FREE).item() * top
        features.append([np.sqrt((row**2).mean()) / row.mean(), -1])
        best.append(reach / row.mean())
    found = np.linalg.lstsq(np.array(features), np.array(best), rcond=None)[0]
    np.testing.assert_allclose(found, SAWB[top], rtol=0.06)


@pytest.mark.parametrize("method", ["aciq", "sawb", "kl"])
@pytest.mark.parametrize("bits", [2, 4, 8, 12])
@pytest.mark.parametrize("most", [0.6, 0.99])
def test_a_fit_that_does_not_suit_the_values_is_not_used(most: float, bits: int, method: str) -> None:
    row = np.random.default_rng(0).uniform(0, 50, size=(1, 20_000)).astype(np.float32)
    same = int(most * row.size)
    row[:, :same] = np.arange(same) % 20 / 10  # most of them the same few, and of no distribution
    codes = integer(bits, signed=True, narrow=True)
    errors = []
    for name in (method, "max"):
        scale = RANGES[name](Values.of(row), codes, FREE)
        errors.append(((np.clip(np.rint(row / scale), codes.lo, codes.hi) * scale - row) ** 2).mean())
    assert errors[0] <= errors[1]


def divergence(histogram: Doubles, threshold: int, levels: int) -> float:
    """TensorRT's, bin by bin."""
    p = histogram[:threshold].copy()
    p[-1] += histogram[threshold:].sum()
    q = np.zeros(threshold)
    for level in range(levels):
        first, end = level * threshold // levels, (level + 1) * threshold // levels
        filled = [k for k in range(first, end) if p[k] > 0]
        for k in filled:
            q[k] = histogram[first:end].sum() / len(filled)
    if ((q == 0) & (p > 0)).any():
        return np.inf
    return float(stats.entropy(p, q))


@pytest.mark.rows("R004")
@pytest.mark.parametrize("levels", [2, 8, 16])
def test_kls_divergences_are_those_of_a_plain_oracle(levels: int) -> None:
    random = np.random.default_rng(0)
    histogram = random.poisson(40 * np.exp(-np.arange(100) / 15)).astype(np.float64)
    thresholds = np.arange(levels, 101)
    wanted = [divergence(histogram, int(threshold), levels) for threshold in thresholds]
    np.testing.assert_allclose(divergences(histogram, thresholds, levels), wanted, rtol=1e-9, atol=1e-12)
    assert np.isinf(wanted).any() or levels < 16


def test_kl_keeps_all_of_a_uniform_distribution_and_clips_one_far_value() -> None:
    random = np.random.default_rng(0)
    codes = integer(8, signed=True, narrow=True)
    even = random.uniform(-1, 1, size=(1, 200_000)).astype(np.float32)
    assert RANGES["kl"](Values.of(even), codes, FREE).item() * codes.hi == pytest.approx(1, rel=0.02)
    normal = random.normal(size=(1, 200_000)).astype(np.float32)
    normal[0, 0] = 60
    assert 2.5 < RANGES["kl"](Values.of(normal), codes, FREE).item() * codes.hi < 6


@pytest.mark.parametrize("bits", [4, 8])
def test_kl_does_not_clip_data_in_few_steps(bits: int) -> None:
    values = Values.of(np.random.default_rng(0).integers(0, 17, size=(1, 20_000)).astype(np.float32) / 16)
    codes = integer(bits, signed=False)
    assert RANGES["kl"](values, codes, FREE) == RANGES["max"](values, codes, FREE)


def test_percentile_clips_one_value_in_ten_thousand() -> None:
    values = rows("heavy").repeat(2, axis=1)
    codes = integer(8, signed=True, narrow=True)
    values[:, :4] = [[100, 200, 300, 400]]
    scale = RANGES["percentile"](Values.of(values), codes, FREE)
    np.testing.assert_array_equal((np.abs(values) > scale * codes.hi * 1.0001).sum(axis=1), 2)


@pytest.mark.parametrize("method", ["percentile", "kl"])
def test_rows_too_short_to_say_what_is_rare_keep_all(method: str) -> None:
    values = Values.of(rows("few"))
    codes = integer(4, signed=True, narrow=True)
    np.testing.assert_array_equal(RANGES[method](values, codes, FREE), RANGES["max"](values, codes, FREE))


def test_near_scales_are_the_powers_of_two_of_nearest_ratio() -> None:
    scales = np.array([[1], [1.4], [1.42], [0.7], [0.72], [0]], np.float32)
    np.testing.assert_array_equal(SCALES["po2"].near(scales)[:, 0], [1, 1, 2, 0.5, 1, 1])
    np.testing.assert_array_equal(SCALES["free"].near(scales)[:5], scales[:5])


@pytest.mark.rows("R001")
def test_no_scale_of_a_fine_grid_has_less_error_than_that_of_least_squares() -> None:
    values = np.random.default_rng(5).normal(size=(1, 10_000)).astype(np.float32)
    codes = integer(4, signed=True, narrow=False)

    def error(scale: float) -> float:
        return float(((values - (values / scale).round().clip(codes.lo, codes.hi) * scale) ** 2).mean())

    found = float(RANGES["mse"](Values.of(values), codes, FREE).item())
    largest = float(RANGES["max"](Values.of(values), codes, FREE).item())
    grid = [error(largest * share) for share in np.linspace(0.02, 1, 2000)]
    assert error(found) <= error(largest) and error(found) <= 1.002 * min(grid)
    assert found * 8 == pytest.approx(2.68, rel=0.06)  # of a normal distribution, by the middle of 16 levels


@pytest.mark.rows("R008")
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_one_exponent_for_all_leaves_half_a_step_and_no_overflow(bits: int) -> None:
    codes = integer(bits, signed=True, narrow=True)
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(3, 50)).astype(np.float32) * np.float32(2.0 ** (seed - 10))
        scale = RANGES["max"](Values.of(values), codes, SCALES["po2"])
        mantissa, exponent = np.frexp(scale)
        assert (mantissa == 0.5).all() and (np.abs(values).max(axis=1, keepdims=True) > codes.hi * scale / 2).all()
        ints = np.rint(values / scale)
        assert np.abs(ints).max() <= codes.hi and (np.abs(values - ints * scale) <= scale / 2).all()
        one, other = (int(code) for code in ints[0, :2])
        product, exponents = one * other, int(exponent[0, 0] - 1) * 2
        assert product * 2.0**exponents == (one * float(scale[0, 0])) * (other * float(scale[0, 0]))
