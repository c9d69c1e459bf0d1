# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from bitwright.exact.forms import Lookup, MultiplyShift, Thresholds
from bitwright.exact.requantise import forms
from bitwright.ir.layers import Rounding
from bitwright.ir.types import integer
from bitwright.ir.weights import Weights
from bitwright.planning.form_cost import Cost, cheapest_first, cost, objective
from tests.exact.meaning import random_layer, requantise


def shift(width, out, channels=1, *, m=1, s=0, window=0):
    def each(value):
        return Weights(np.full(channels, value))

    return MultiplyShift(
        kind="shift_even" if window else "shift" if m == 1 else "mas",
        m=each(m),
        c=each(0),
        s=s,
        window=each(window),
        odd=0,
        low=each(0),
        high=each((1 << out) - 1),
        product=integer(width, signed=True),
    )


@pytest.mark.parametrize(("width", "out", "plain", "even"), [(12, 4, 16, 18), (16, 8, 24, 26), (24, 8, 32, 35)])
def test_shifts_cost_what_yosys_counted(width, out, plain, even):
    s = {12: 8, 16: 8, 24: 13}[width]
    assert cost(shift(width, out)) == Cost(plain)
    assert cost(shift(width, out, s=s, window=1)) == Cost(even)


def thresholds(channels, steps, width):
    top = 1 << width - 1
    t = np.sort(np.random.default_rng(1).integers(-top, top, (channels, steps)), axis=1)
    t[0, 0] = -top
    zeros = Weights(np.zeros(channels))
    return Thresholds(kind="thresholds", t=Weights(t), falling=zeros, first=zeros, step=1)


@pytest.mark.parametrize(("width", "comparator"), [(12, 8), (16, 11), (24, 16)])
def test_thresholds_search_with_one_comparator_a_bit(width, comparator):
    found = cost(thresholds(64, 15, width))
    assert found.lut == -(-4 * width * 2 // 3)
    assert abs(found.lut - 4 * comparator) <= 1
    assert found.memory_bits == 64 * 15 * width
    small = [stage for stage in range(4) if (64 << stage) * width <= 4096]
    assert found.bram == 4 - len(small)
    assert found.memory_lut == sum(width << stage for stage in small)


def test_parallel_thresholds_of_a_single_channel():
    assert cost(thresholds(1, 3, 12)).lut == 10
    assert cost(thresholds(1, 15, 12)).lut == 50


def test_products_go_to_dsps_while_their_ports_hold_them():
    assert cost(shift(27 + 17, 8, m=(1 << 17) - 1)).dsp == 1
    assert cost(shift(18 + 26, 8, m=(1 << 26) - 1)).dsp == 1
    assert cost(shift(27 + 18, 8, m=(1 << 18) - 1)).dsp == 2
    wide = cost(shift(28 + 17, 8, m=(1 << 17) - 1))
    assert wide.dsp == 0
    assert wide.lut > 100


@pytest.mark.parametrize(("bits", "luts"), [(4, 8), (6, 8), (8, 32), (10, 128)])
def test_tables_double_beyond_six_inputs(bits, luts):
    entries = Weights(np.arange(1 << bits) % 256 if bits >= 8 else np.full(1 << bits, 255))
    found = cost(Lookup(kind="table", lo=0, entries=entries))
    assert found == Cost(luts, memory_bits=8 << bits)


def test_lanes_share_the_channels_and_multiply_the_logic():
    form = thresholds(64, 3, 10)
    one, four, all_of_them = (cost(form, lanes=lanes) for lanes in (1, 4, 64))
    assert four.lut == 4 * one.lut
    assert four.memory_bits == one.memory_bits
    assert all_of_them == Cost(64 * 10)


def test_the_objective_weighs_dsps_and_block_rams():
    assert objective(Cost(10, dsp=2, memory_lut=5, bram=3)) == 10 + 5 + 2 * 100 + 3 * 200
    assert objective(Cost(10, dsp=2, bram=3), kappa=1, rho=0) == 12


def test_the_cheapest_proved_form_comes_first():
    interval = np.array([-2000] * 8), np.array([2000] * 8)
    power = requantise([Fraction(1, 128)], [Fraction(1, 3)], channels=8)
    assert cheapest_first(forms(power, *interval))[0].kind == "shift"
    other = requantise([Fraction(1, 100)], [Fraction(1, 3)], high=(255,), channels=8)
    assert cheapest_first(forms(other, interval[0] * 10, interval[1] * 10))[0].kind == "mas"
    one_bit = requantise([Fraction(k, 700) for k in range(3, 11)], [Fraction(1, 3)], high=(1,))
    assert cheapest_first(forms(one_bit, *interval))[0].kind == "thresholds"


@pytest.mark.parametrize("seed", range(8))
def test_forms_are_put_in_order_of_their_price(seed: int) -> None:
    layer, lo, hi = random_layer(Random(f"order {seed}"), Rounding.HALF_EVEN)
    found = forms(layer, lo, hi)
    ordered = cheapest_first(found)
    prices = [objective(cost(form)) for form in ordered]
    assert prices == sorted(prices) and {*map(id, ordered)} == {*map(id, found)}
