# SPDX-License-Identifier: Apache-2.0
"""Integer types: widths, text, and arithmetic that is exact and tight."""

from itertools import product
from operator import add, mul, sub

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitwright.ir.types import BIPOLAR, TERNARY, IntType, hull, integer

ENDS = st.tuples(st.integers(-40, 40), st.integers(-40, 40)).map(sorted)
TYPES = st.one_of(st.just(BIPOLAR), ENDS.map(lambda ends: IntType(*ends)))


def values(kind: IntType) -> list[int]:
    return list(range(kind.lo, kind.hi + 1, kind.step))


@given(TYPES, TYPES)
def test_arithmetic_is_exact_and_tight(a: IntType, b: IntType) -> None:
    for operation in (add, sub, mul):
        made = [operation(p, q) for p, q in product(values(a), values(b))]
        kind = operation(a, b)
        assert (kind.lo, kind.hi) == (min(made), max(made))
        assert all(value in kind for value in made)
    assert (a | b).covers(a) and (a | b).covers(b)
    assert {(a | b).lo, (a | b).hi} <= {a.lo, a.hi, b.lo, b.hi}


@given(TYPES)
def test_a_type_reads_back_and_its_width_is_the_smallest(kind: IntType) -> None:
    assert IntType.parse(str(kind)) == kind
    assert kind.count == len(values(kind))
    if kind != BIPOLAR:
        assert integer(kind.bits, signed=kind.signed).covers(kind)
        assert kind.bits == 1 or not integer(kind.bits - 1, signed=kind.signed).covers(kind)


@given(TYPES, TYPES)
def test_covers_is_containment(a: IntType, b: IntType) -> None:
    assert a.covers(b) == (set(values(b)) <= set(values(a)))


@pytest.mark.parametrize(
    ("kind", "text", "bits"),
    [
        (BIPOLAR, "bipolar", 1),
        (TERNARY, "s2n", 2),
        (integer(8, signed=False), "u8", 8),
        (integer(4, signed=True, narrow=True), "s4n", 4),
        (IntType(-3, 100), "s8[-3..100]", 8),
        (IntType(0, 0), "u1[0..0]", 1),
        (IntType(-1, -1), "s1[-1..-1]", 1),
        (IntType(-1, 0), "s1", 1),
        (integer(3, signed=True).sum_of(5), "s6[-20..15]", 6),
    ],
)
def test_examples(kind: IntType, text: str, bits: int) -> None:
    assert (str(kind), kind.bits) == (text, bits)


def test_products_of_bipolar_stay_bipolar() -> None:
    assert BIPOLAR * BIPOLAR == -BIPOLAR == hull([BIPOLAR, BIPOLAR]) == BIPOLAR
    assert hull([BIPOLAR, IntType(0, 1)]) == IntType(-1, 1)
    assert 0 not in BIPOLAR and 1 in BIPOLAR and 2 not in BIPOLAR


@pytest.mark.parametrize("text", ["", "s", "u8.4", "x8", "s8[1]", "s8[5..1]", "u0", "s1n"])
def test_what_is_no_type(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an integer type|empty range|hold no"):
        IntType.parse(text)
