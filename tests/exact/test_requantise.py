# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from bitwright.exact.forms import MultiplyShift
from bitwright.exact.meaning import limits
from bitwright.exact.proof import proved
from bitwright.exact.requantise import candidates, forms
from bitwright.exact.slopes import points, slope_intervals
from bitwright.exact.steps import steps
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.weights import Weights
from bitwright.planning.form_cost import cheapest_first
from tests.exact.meaning import HALF, codes, random_layer, reachable, requantise


@pytest.mark.parametrize("rounding", Rounding)
def test_every_form_is_the_meaning_for_every_accumulator(rounding):
    random = Random(f"forms {rounding}")
    kinds = Counter()
    for _ in range(80):
        layer, lo, hi = random_layer(random, rounding)
        a = reachable(lo, hi)
        expected = codes(layer, a)
        found = forms(layer, lo, hi)
        kinds.update(form.kind for form in found)
        for form in found:
            np.testing.assert_array_equal(form.apply(a), expected, err_msg=repr((layer, lo, hi, form)))
            if isinstance(form, MultiplyShift):
                u = form.m.array * a + form.offsets
                assert form.product.lo <= u.min()
                assert u.max() <= form.product.hi
    wanted = {"thresholds", "table", "shift"}
    if rounding is not Rounding.SIGN:
        wanted |= {"mas"}
    if rounding is Rounding.HALF_EVEN:
        wanted |= {"shift_even", "mas_window"}
    assert set(kinds) == wanted
    assert kinds["thresholds"] == 80


def ties(layer: Requantise, lo: int, hi: int) -> list[bool]:
    """For each reachable tie k - 1/2 with low < k <= high, in order: is it rounded up."""
    values = [layer.multiplier.of(0) * a + layer.offset.of(0) for a in range(lo, hi + 1)]
    steps_up = [v + HALF for v in values if (v + HALF).denominator == 1 and layer.low[0] < v + HALF <= layer.high[0]]
    return [k % 2 == 0 for k in steps_up]


@pytest.mark.slow
def test_a_single_line_exists_exactly_when_ties_change_side_at_most_once():
    random = Random(2)
    counts = Counter()
    for _ in range(4000):
        m = Fraction(random.randrange(1, 9), random.randrange(1, 20))
        b = Fraction(random.randrange(-9, 9), random.choice((1, 2, 4, m.denominator, 2 * m.denominator)))
        low = random.choice((-4, 0))
        layer = requantise([m], [b], low=(low,), high=(low + random.choice((1, 3, 7)),))
        lo = random.randrange(-40, 20)
        hi = lo + random.randrange(1, 60)
        marks = ties(layer, lo, hi)
        changes = sum(x != y for x, y in pairwise(marks))
        found = steps(layer, np.array([lo]), np.array([hi]))
        if found.count[0]:
            (slope,) = slope_intervals(points(found, *limits(layer)))
            assert (slope is not None) == (changes <= 1), (layer, lo, hi, marks)
            counts[slope is not None] += 1
    assert min(counts.values()) > 150


@pytest.mark.parametrize("rounding", [Rounding.HALF_AWAY, Rounding.HALF_ZERO, Rounding.HALF_UP, Rounding.FLOOR])
def test_other_roundings_always_have_a_single_line(rounding):
    random = Random(3)
    for _ in range(60):
        m = Fraction(random.randrange(1, 9), random.randrange(1, 20)) * random.choice((1, -1))
        layer = requantise([m], [Fraction(random.randrange(-9, 9), 4)], rounding, low=(-8,), high=(7,))
        found = forms(layer, np.array([-50]), np.array([50]))
        assert {"shift", "mas"} & {form.kind for form in found}


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 25, 36, 49, 64, 81, 100, 121, 144, 196, 256, 784, 1024])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (-128, 127), (0, 15)])
def test_average_pools_need_a_window_only_for_even_sizes(k, low, high):
    layer = requantise([Fraction(1, k)], [Fraction(0)], low=(low,), high=(high,))
    lo, hi = np.array([k * low]), np.array([k * high])
    shifts = [form for form in forms(layer, lo, hi) if isinstance(form, MultiplyShift)]
    power = k & (k - 1) == 0
    assert shifts[0].kind == ("mas" if k % 2 else "shift_even" if power else "mas_window")
    assert int(shifts[-1].m.array.max()).bit_length() <= 16
    a = reachable(lo, hi)
    exact = steps(layer, lo, hi).apply(a)
    for form in shifts:
        np.testing.assert_array_equal(form.apply(a), exact)


def test_powers_of_two_share_one_shift():
    """Whatever the offsets and interval, hardware needs wires, not a multiplexer of distances."""
    random = Random(4)
    offsets = [Fraction(random.randrange(-4000, 4000), 256) for _ in range(64)]
    layer = requantise([Fraction(1, 256)], offsets, low=(-8,), high=(7,), channels=64)
    lo = np.array([random.randrange(-3000, 0) for _ in range(64)])
    first, *_ = cheapest_first(forms(layer, lo, lo + 2500))
    assert isinstance(first, MultiplyShift)
    assert (first.kind, first.s) == ("shift_even", 8)
    assert set(first.m.array.tolist()) == {0, 1}
    assert set(first.window.array.tolist()) <= {0, 1}


def test_an_odd_zero_point_keeps_the_parity_of_the_code_before_it():
    layer = requantise([Fraction(1, 4)], [Fraction(0)], low=(-8,), high=(7,), shift=3)
    lo, hi = np.array([-40]), np.array([40])
    (form,) = (form for form in forms(layer, lo, hi) if form.kind == "shift_even")
    assert form.odd == 1
    assert (form.low.array.tolist(), form.high.array.tolist()) == ([-5], [10])
    a = np.array([[-6], [-2], [2], [6], [10]])
    assert form.apply(a).tolist() == [[1], [3], [3], [5], [5]]


def test_where_every_integer_is_a_tie_one_bit_is_shifted_out():
    """A window compares with what the shift drops, so that hardware needs no case for a shift by nothing."""
    layer = requantise([Fraction(1)], [Fraction(7, 2)], low=(0,), high=(9,))
    lo, hi = np.array([-3]), np.array([5])
    (form,) = (form for form in forms(layer, lo, hi) if form.kind == "shift_even")
    assert (form.m.array.tolist(), form.s, form.window.array.tolist()) == ([2], 1, [2])
    np.testing.assert_array_equal(form.apply(np.arange(-3, 6)[:, None])[:, 0], [0, 2, 2, 4, 4, 6, 6, 8, 8])


@pytest.mark.slow
def test_ties_of_any_scale_find_a_window():
    """Half even with random small fractions: a shift of some kind always exists, and is exact at both ends too."""
    random = Random(1)
    kinds = Counter()
    for _ in range(400):
        m = Fraction(random.randrange(1, 12), random.randrange(2, 60))
        layer = requantise([m], [m * random.randrange(-99, 99) + random.choice((0, HALF))], low=(-8,), high=(23,))
        lo = np.array([random.randrange(-90, 60)])
        hi = lo + random.randrange(3, 400)
        a = reachable(lo, hi)
        shifts = [form for form in forms(layer, lo, hi) if isinstance(form, MultiplyShift)]
        assert shifts, (m, layer.offset, lo, hi)
        for form in shifts:
            np.testing.assert_array_equal(form.apply(a), codes(layer, a))
        kinds.update(form.kind for form in shifts)
    assert min(kinds[kind] for kind in ("mas", "mas_window", "shift", "shift_even")) > 10


@pytest.mark.parametrize(
    ("m", "b", "high", "lo", "hi"),
    [
        (Fraction(11, 50), Fraction(52, 5), 23, -59, 201),
        (Fraction(1, 6), Fraction(-31, 6), 23, 58, 79),
        (Fraction(3, 46), Fraction(-165, 46), 7, 28, 391),
        (Fraction(5, 29), Fraction(-251, 58), 23, 58, 455),
        (Fraction(11, 14), Fraction(-541, 7), 23, 6, 328),
    ],
)
def test_a_window_that_the_shortest_multiplier_lacks_is_found_nearer_to_the_scale(m, b, high, lo, hi):
    layer = requantise([m], [b], low=(-8,), high=(high,))
    assert "mas_window" in {form.kind for form in forms(layer, np.array([lo]), np.array([hi]))}


def test_channels_with_and_without_ties_share_a_form():
    """The second channel has two ties: a line fits, though not at its own scale."""
    layer = requantise([Fraction(11, 50), Fraction(1, 4)], [Fraction(52, 5), Fraction(0)], low=(-8,), high=(23,))
    lo, hi = np.array([-59, 0]), np.array([201, 9])
    a = reachable(lo, hi)
    (form,) = (form for form in forms(layer, lo, hi) if form.kind == "mas_window")
    assert form.window.array[1] == 0
    np.testing.assert_array_equal(form.apply(a), codes(layer, a))


def test_counts_of_levels_are_limited_by_their_number():
    levels = ((Fraction(-3), Fraction(0), Fraction(3)),)
    layer = requantise([Fraction(1)], [Fraction(0)], Rounding.LEVELS, low=(-9,), high=(9,), shift=5, levels=levels)
    shifts = [form for form in forms(layer, np.array([-20]), np.array([20])) if isinstance(form, MultiplyShift)]
    assert [(form.low.array.tolist(), form.high.array.tolist()) for form in shifts] == [([5], [8])]


def test_constants_that_leave_int64_leave_the_thresholds():
    """Far from zero m*a + c is small, but m*a and c alone are not."""
    lo = 1 << 56
    layer = requantise([Fraction(1, 300)], [Fraction(-lo, 300)], high=(15,))
    kinds = [form.kind for form in forms(layer, np.array([lo]), np.array([lo + 6000]))]
    assert kinds == ["thresholds"]


def test_constant_channels_lose_their_arithmetic():
    layer = requantise([Fraction(0), Fraction(1, 3)], [Fraction(9, 4), Fraction(0)], shift=1)
    for form in forms(layer, np.array([-9, 0]), np.array([9, 60])):
        if isinstance(form, MultiplyShift):
            assert form.m.array[0] == 0
            assert form.c.array[0] == 3 << form.s


def test_a_form_that_no_longer_fits_is_not_proved():
    """Every change of a constant either is refused or, by enumeration, changes nothing."""
    random = Random(6)
    verdicts = Counter()
    for case in range(120):
        rounding = Rounding.HALF_EVEN if case % 2 else random.choice(list(Rounding))
        layer, lo, hi = random_layer(random, rounding)
        a = reachable(lo, hi)
        found = steps(layer, lo, hi)
        expected = codes(layer, a)
        for form in filter(lambda form: proved(form, found), candidates(layer, found)):
            for field in ("m", "c", "window", "t", "first", "entries"):
                if hasattr(form, field):
                    changed = getattr(form, field).array.copy()
                    index = tuple(random.randrange(n) for n in changed.shape)
                    changed[index] += random.choice((-1, 1, 2))
                    mutant = replace(form, **{field: Weights(changed)})
                    if proved(mutant, found):
                        np.testing.assert_array_equal(mutant.apply(a), expected, err_msg=repr((layer, form, mutant)))
                    verdicts[field, proved(mutant, found)] += 1
    assert all(verdicts[field, False] > 20 for field in ("m", "c", "t", "first", "entries")), verdicts
    assert sum(verdicts[field, True] for field in ("m", "c", "window", "t", "entries")) > 50, verdicts


def test_a_wrong_direction_product_or_order_is_not_proved():
    layer = requantise([Fraction(1, 7)], [Fraction(0)], high=(7,))
    lo, hi = np.array([0]), np.array([60])
    found = steps(layer, lo, hi)
    by_kind = {form.kind: form for form in forms(layer, lo, hi)}
    line, thresholds = by_kind["mas"], by_kind["thresholds"]
    assert not proved(replace(line, product=replace(line.product, hi=line.product.hi - 1)), found)
    assert not proved(replace(line, window=Weights(line.m.array + 1)), found)
    assert not proved(replace(line, window=Weights(np.array([-1]))), found)
    assert not proved(replace(thresholds, falling=Weights(np.array([1]))), found)
    assert not proved(replace(thresholds, t=Weights(thresholds.t.array[:, ::-1])), found)
    table = by_kind["table"]
    entries = table.entries.array.tolist()
    assert not proved(replace(table, lo=1), found)
    assert not proved(replace(table, lo=1, entries=Weights(np.array([*entries[1:], entries[0]]))), found)
    constant = requantise([Fraction(0), Fraction(1)], [Fraction(0)] * 2)
    found = steps(constant, np.array([0, 0]), np.array([9, 2]))
    (thresholds,) = (form for form in candidates(constant, found) if form.kind == "thresholds")
    assert proved(thresholds, found)
    assert not proved(replace(thresholds, t=Weights(np.array([[99, 10], [1, 2]]))), found)


def test_sixteen_bit_codes_without_a_line_are_refused():
    layer = requantise([Fraction(1, 1 << 20)] * 2, [Fraction(1, 3)] * 2, Rounding.FROM_ZERO, low=(-1999,), high=(1999,))
    with pytest.raises(BitwrightError) as error:
        forms(layer, np.array([-(1 << 31)] * 2), np.array([1 << 31] * 2))
    assert str(error.value) == (
        "layer 'act': no multiply-add-shift within 120 bits equals its 3999 codes\n"
        "  hint: quantise its output to at most 1024 codes"
    )
