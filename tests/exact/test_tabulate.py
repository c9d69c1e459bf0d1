# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from bitwright.check.tables import tabulate as checker
from bitwright.exact.tabulate import tabulate
from bitwright.ir.errors import BitwrightError
from bitwright.ir.functions import function_of, words
from bitwright.ir.layers import Rounding
from bitwright.ir.types import BIPOLAR, integer
from tests.exact.meaning import rounded

S8 = integer(8, signed=True)
ROUNDINGS = [r for r in Rounding if r is not Rounding.LEVELS]
SIGMOID = {"sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "tanh": mpmath.tanh}


def table(function, codes=S8, *, scale=Fraction(1), zero=Fraction(0), rounding=Rounding.HALF_EVEN, low=-128, high=127):
    weights = tabulate(
        function_of(*function), codes, scale=scale, zero=zero, rounding=rounding, low=low, high=high, shift=0
    )
    return weights.array.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_entries_are_the_rounded_value_at_four_hundred_digits(name, rounding):
    """A tenth of the codes saturate so far that 60 digits cannot tell them from their limit."""
    scale, zero = Fraction(float(np.float32(0.1))), Fraction(3)
    for gain in ("255", "-31/2", str(10**16)):
        expected = []
        for q in [*range(-128, 128), 2000, -2000]:
            x = scale * (q - zero)
            with mpmath.workdps(400):
                value = SIGMOID[name](mpmath.mpf(x.numerator) / x.denominator)
                exact = Fraction(*mpmath.libmp.to_rational(value._mpf_)) * Fraction(gain)
            expected.append(rounded(rounding, exact))
        function = ((name,), ("affine", gain, "0"))
        wide = table(
            function, integer(12, signed=True), scale=scale, zero=zero, rounding=rounding, low=-(10**17), high=10**17
        )
        assert [wide[q + 2048] for q in [*range(-128, 128), 2000, -2000]] == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_saturated_values_stay_on_their_side_of_the_limit(rounding):
    """sigmoid(30000) is below 1 by 10**-13000: floor gives 0, whatever the precision at hand."""
    (high,) = {rounded(rounding, 1 - Fraction(1, 10**9))}
    (low,) = {rounded(rounding, Fraction(1, 10**9))}
    entries = table((("sigmoid",),), integer(16, signed=True), scale=Fraction(1), rounding=rounding)
    assert (entries[0], entries[-1]) == (low, high)
    entries = table((("tanh",), ("affine", "7", "0")), scale=Fraction(10) ** 30, rounding=rounding)
    assert entries[0] == rounded(rounding, -7 + Fraction(1, 10**9))
    assert entries[128] == rounded(rounding, Fraction(0))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_rational_functions_are_exact_with_ties(rounding):
    function = (("affine", "3/4", "1/8"), ("clip", "-20", ""), ("leaky_relu", "-1/4"), ("clip", "", "30"))
    expected = []
    for q in range(-128, 128):
        v = max(Fraction(3, 4) * (q - 1) / 2 + Fraction(1, 8), Fraction(-20))
        expected.append(rounded(rounding, min(v if v >= 0 else -v / 4, Fraction(30))))
    assert table(function, scale=Fraction(1, 2), zero=Fraction(1), rounding=rounding) == expected


def test_exact_points_of_transcendental_functions_are_ties():
    """sigmoid(0) = 1/2 and tanh(0) = 0 are the only rational values, and half even needs to know."""
    assert table((("sigmoid",),), integer(1, signed=False))[0] == 0
    assert table((("sigmoid",), ("affine", "3", "0")), integer(1, signed=False))[0] == 2
    assert table((("tanh",), ("affine", "9", "5/2")), integer(1, signed=False))[0] == 2


def test_functions_of_irrational_values():
    function = (("tanh",), ("sigmoid",), ("clip", "3/10", "7/10"), ("leaky_relu", "5"), ("affine", "100", "-50"))
    expected = []
    for q in range(-128, 128):
        with mpmath.workdps(60):
            value = 1 / (1 + mpmath.exp(-mpmath.tanh(mpmath.mpf(q) / 16)))
            expected.append(int(mpmath.nint(min(max(value, mpmath.mpf(3) / 10), mpmath.mpf(7) / 10) * 100 - 50)))
    assert table(function, scale=Fraction(1, 16)) == expected
    assert table((("sigmoid",), ("affine", "0", "5/2")), BIPOLAR) == [2, 2, 2]


def test_a_limit_closer_than_the_first_precision_is_resolved():
    """A clip 10**-80 above and below sigmoid(1), seen through a gain of 10**81."""
    with mpmath.workdps(120):
        near = Fraction(*mpmath.libmp.to_rational((1 / (1 + mpmath.exp(-1)))._mpf_))
    for distance, expected in ((1, -10), (-1, 0)):
        limit = str(near + distance * Fraction(1, 10**80))
        function = (("sigmoid",), ("clip", "", limit), ("affine", str(10**81), f"-{Fraction(limit) * 10**81}"))
        assert table(function, integer(1, signed=False))[1] == expected


def test_saturation_through_two_functions_ends():
    """sigmoid(10**9) - 1 is below 0 by less than any precision shows, and so is the sigmoid of it below 1/2."""
    function = (("sigmoid",), ("affine", "1", "-1"), ("sigmoid",), ("affine", "2", "0"))
    assert table(function, integer(1, signed=False), scale=Fraction(10**9), rounding=Rounding.FLOOR)[1] == 0


def test_a_limit_that_no_precision_tells_from_the_function_is_refused():
    gain = 10**4000
    function = (("sigmoid",), ("affine", str(gain), f"-{gain}"), ("clip", f"-1/{gain}", ""))
    with pytest.raises(BitwrightError) as error:
        table(function, integer(1, signed=False), scale=Fraction(10**9))
    assert str(error.value) == (
        "table: the function of 1000000000 lies within 2**-25600 of a step, or of a limit inside it\n"
        "  hint: remove the clip that nearly coincides with the function's own limit"
    )


def test_a_function_that_turns_is_evaluated_at_every_code():
    """The ends agree, so a search for changes would see none."""
    entries = table((("leaky_relu", "-1"),), integer(3, signed=True, narrow=True))
    assert entries == [3, 2, 1, 0, 1, 2, 3]


def test_limits_and_shift_apply_after_rounding():
    weights = tabulate(
        function_of(("affine", "10", "0")),
        integer(2, signed=True),
        scale=Fraction(1),
        zero=Fraction(0),
        rounding=Rounding.FLOOR,
        low=-12,
        high=7,
        shift=100,
    )
    assert weights.array.tolist() == [88, 90, 100, 107]


def test_more_than_sixteen_bits_are_refused():
    with pytest.raises(BitwrightError) as error:
        table((("tanh",),), integer(17, signed=False))
    assert str(error.value) == (
        "table: a table over u17 would have 131072 entries\n  hint: quantise the function's input to at most 16 bits"
    )


@pytest.mark.parametrize("words", [("erf", "1"), ("gamma",), ("affine", "1"), ("leaky_relu", ""), ("elu", "1/0")])
def test_an_unknown_function_is_named(words: tuple[str, ...]) -> None:
    with pytest.raises(BitwrightError) as error:
        table((words,))
    assert str(error.value) == (
        f"table: '{' '.join(words)}' is not a function that can be tabulated\n"
        "  hint: use affine slope offset, clip low high, leaky_relu slope, elu slope, abs, tanh, exp, sigmoid, "
        "softplus, erf, normal_cdf, above limit, power exponent, softsign, sqrt, log, times_input"
    )


ALGEBRAIC = {
    "sqrt": mpmath.sqrt,
    "log": lambda x: mpmath.log(x) if x else mpmath.mpf(-(2**200)),
    "softsign": lambda x: x / (1 + abs(x)),
    "power 3": lambda x: x**3,
    "power -2": lambda x: x**-2 if x else mpmath.mpf(2**200),
}


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", ALGEBRAIC)
def test_roots_logarithms_and_powers_at_four_hundred_digits(name: str, rounding: Rounding) -> None:
    """Of rational numbers, and of irrational ones that another step made; the checker has the same codes."""
    for before, gain in (((), "7/2"), ((("exp",),), "1/2"), ((("tanh",), ("affine", "1", "1")), "9")):
        function = function_of(*before, tuple(name.split()), ("affine", gain, "0"))
        given = [q * Fraction(3, 16) for q in range(16)]
        expected = []
        for x in given:
            with mpmath.workdps(400):
                value = mpmath.mpf(x.numerator) / x.denominator
                value = {0: value, 1: mpmath.exp(value), 2: mpmath.tanh(value) + 1}[len(before)]
                made = ALGEBRAIC[name](value)
                exact = Fraction(*mpmath.libmp.to_rational(made._mpf_))
            near = exact.limit_denominator(10**6)  # a rational value, of which mpmath has 400 digits only
            exact = near if abs(near - exact) < Fraction(1, 2**300) else exact
            expected.append(min(max(rounded(rounding, exact * Fraction(gain)), -128), 127))
        assert table(function, integer(4, signed=False), scale=Fraction(3, 16), rounding=rounding) == expected
        checked = [checker(tuple(map(tuple, map(words, function))), rounding.value, x) for x in given]
        assert [min(max(code, -128), 127) for code in checked] == expected


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (("sqrt",), "takes the square root of a negative number"),
        (("log",), "takes the logarithm of a negative number"),
        (("power", "1/2"), "takes the power 1/2"),
    ],
)
def test_what_has_no_value_is_refused(step: tuple[str, ...], said: str) -> None:
    with pytest.raises(BitwrightError) as error:
        table((step,))
    hint = "keep what it reads from below zero, by a Relu or an unsigned quantiser"
    hint = "give a whole number but 0, and sqrt" if step[0] == "power" else hint
    assert str(error.value) == f"table: {said}\n  hint: {hint}"
