# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

from bitwright.exact.closed import closed_forms, closed_proved
from bitwright.exact.floors import highest
from bitwright.exact.forms import MultiplyShift
from bitwright.exact.requantise import candidates, forms
from bitwright.exact.requantise import codes as codes_of
from bitwright.exact.ruled import Ruled
from bitwright.exact.steps import steps
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Rounding
from bitwright.ir.weights import Weights
from tests.exact.meaning import codes, random_layer, reachable, requantise

RULED = [rounding for rounding in Rounding if rounding not in (Rounding.SIGN, Rounding.LEVELS)]


def test_the_highest_value_of_a_line_and_a_rounded_line() -> None:
    random = Random(1)
    for _ in range(20_000):
        count, a, b = random.randint(1, 30), random.randint(-20, 20), random.randint(-40, 40)
        c, d, m = random.randint(0, 30), random.randint(-50, 50), random.randint(1, 20)
        expected = max(a * x + b * ((c * x + d) // m) for x in range(count))
        assert highest(count, a, b, c, d, m) == expected, (count, a, b, c, d, m)


@pytest.mark.parametrize("rounding", RULED)
def test_a_rounded_line_has_the_codes_and_plateaus_of_its_steps(rounding: Rounding) -> None:
    random = Random(f"ruled {rounding}")
    for _ in range(150):
        layer, lo, hi = random_layer(random, rounding)
        ruled, a = Ruled(layer, lo, hi), reachable(lo, hi)
        expected = codes(layer, a)
        np.testing.assert_array_equal(ruled.apply(a), expected, err_msg=repr((layer, lo, hi)))
        np.testing.assert_array_equal(ruled.plateaus, steps(layer, lo, hi).plateaus, err_msg=repr((layer, lo, hi)))


@pytest.mark.parametrize("rounding", RULED)
def test_closed_forms_are_the_meaning_for_every_accumulator(rounding: Rounding) -> None:
    random = Random(f"closed {rounding}")
    kinds = Counter[str]()
    for _ in range(80):
        layer, lo, hi = random_layer(random, rounding)
        ruled, a = Ruled(layer, lo, hi), reachable(lo, hi)
        expected = codes(layer, a)
        for form in closed_forms(ruled):
            kinds[form.kind] += 1
            assert closed_proved(form, ruled), (layer, lo, hi, form)
            np.testing.assert_array_equal(form.apply(a), expected, err_msg=repr((layer, lo, hi, form)))
    assert kinds.total() > 40
    assert set(kinds) <= {"shift", "mas"} | ({"shift_even", "mas_window"} if rounding is Rounding.HALF_EVEN else set())


@pytest.mark.parametrize("rounding", RULED)
def test_a_closed_proof_is_the_comparison_of_every_code(rounding: Rounding) -> None:
    """Forms that were found by their steps and their neighbours: proved exactly where every code is equal."""
    random = Random(f"closed proof {rounding}")
    verdicts = Counter[bool]()
    for _ in range(60):
        layer, lo, hi = random_layer(random, rounding)
        ruled, a = Ruled(layer, lo, hi), reachable(lo, hi)
        expected = codes(layer, a)
        found = [f for f in candidates(layer, steps(layer, lo, hi)) if isinstance(f, MultiplyShift)]
        for form in [*found, *closed_forms(ruled)]:
            for name in ("c", "c", "m", "window"):
                numbers = getattr(form, name).array
                change = np.array([random.choice((-2, -1, 0, 1, 2)) for _ in numbers])
                mutant = replace(form, **{name: Weights(numbers + change)})
                if mutant.window.array.min() < 0 or mutant.window.array.max() > 1 << form.s:
                    assert not closed_proved(mutant, ruled)
                    continue
                u = mutant.m.array * np.stack([lo, hi]) + mutant.offsets
                mutant = replace(mutant, product=replace(mutant.product, lo=int(u.min()), hi=int(u.max())))
                same = bool((mutant.apply(a) == expected).all())
                assert closed_proved(mutant, ruled) == same, (layer, lo, hi, mutant)
                verdicts[same] += 1
    assert min(verdicts.values()) > 20


WIDE = (
    (Rounding.HALF_EVEN, Fraction(1, 1 << 12), Fraction(0), "shift_even"),
    (Rounding.HALF_EVEN, Fraction(-1, 1 << 12), Fraction(1, 3), "shift"),
    (Rounding.FLOOR, Fraction(1, 1 << 9), Fraction(-5), "shift"),
    (Rounding.HALF_AWAY, Fraction(3, 1 << 13), Fraction(1, 7), "mas"),
    (Rounding.HALF_UP, Fraction(0.0123456789), Fraction(-4.5), "mas"),
    (Rounding.HALF_EVEN, Fraction(0.0123456789), Fraction(0), "mas"),
)


@pytest.mark.parametrize(("rounding", "multiplier", "offset", "kind"), WIDE, ids=lambda value: str(value))
def test_a_layer_of_24_bits_and_2048_channels(
    rounding: Rounding, multiplier: Fraction, offset: Fraction, kind: str
) -> None:
    most = (1 << 23) - 1
    channels = 2048
    layer = requantise([multiplier], [offset], rounding, low=(~most,), high=(most,), shift=3, channels=channels)
    reach = np.array([(1 << 34) + 977 * c for c in range(channels)])
    assert isinstance(codes_of(layer, -reach, reach), Ruled)
    (form,) = forms(layer, -reach, reach)
    assert form.kind == kind
    a = np.random.default_rng(3).integers(-reach, reach, size=(4, channels), endpoint=True)
    np.testing.assert_array_equal(form.apply(a), codes(layer, a))
    np.testing.assert_array_equal(codes_of(layer, -reach, reach).apply(a), codes(layer, a))


def test_a_layer_of_24_bits_without_a_line() -> None:
    most = (1 << 23) - 1
    layer = requantise([Fraction(1, 512)], [0], Rounding.TO_ZERO, low=(~most,), high=(most,), channels=4)
    reach = np.full(4, 1 << 34)
    with pytest.raises(BitwrightError) as caught:
        forms(layer, -reach, reach)
    assert str(caught.value) == (
        "layer 'act': no multiply-add-shift within 120 bits equals its 16777216 codes\n"
        "  hint: quantise its output to at most 1024 codes"
    )


@pytest.mark.parametrize(
    ("channels", "most", "reach", "ruled"),
    [
        (16, 32767, 1 << 25, True),  # 16 x 65535 steps
        (8, 32767, 1 << 25, False),
        (4096, 127, 1 << 25, False),  # comparisons can be had instead
        (600, 511, 1 << 25, False),
        (600, 1023, 1 << 25, True),
        (600, 1023, 1 << 10, False),  # so can a table
    ],
)
def test_many_steps_are_not_listed_where_only_a_line_can_be_the_layer(
    channels: int, most: int, reach: int, ruled: bool
) -> None:
    step = Fraction(most, reach)
    layer = requantise([step], [0], Rounding.HALF_UP, low=(~most,), high=(most,), channels=channels)
    ends = np.full(channels, reach)
    assert isinstance(codes_of(layer, -ends, ends), Ruled) == ruled


def test_a_line_that_is_not_found_in_closed_form_is_found_by_its_steps() -> None:
    """It jumps by three or four codes away from zero: a line of another slope meets all of them, its own does not."""
    most = (1 << 16) - 1
    layer = requantise([3], [Fraction(-3, 4)], Rounding.FROM_ZERO, low=(~most,), high=(most,), channels=16)
    reach = np.full(16, 20_000)
    found = codes_of(layer, -reach, reach)
    assert isinstance(found, Ruled)
    assert not any(closed_proved(form, found) for form in closed_forms(found))
    a = np.random.default_rng(4).integers(-reach, reach, size=(50, 16), endpoint=True)
    np.testing.assert_array_equal(forms(layer, -reach, reach)[0].apply(a), codes(layer, a))
