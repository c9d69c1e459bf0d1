# SPDX-License-Identifier: Apache-2.0
"""Numbers of a tensor: what holds of them channel by channel, whether one stands for all or each for its own."""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from operator import add, mul, sub, truediv
from random import Random

import pytest

from bitwright.ir.per_channel import NONE, ONES, ZEROS, PerChannel, spread, width

SEEDS = range(40)
OPERATIONS = (add, sub, mul, truediv)


def drawn(random: Random, channels: int, *, positive: bool = False) -> PerChannel:
    """One number or one for each channel, often zero and often alike."""
    count = channels if random.random() < 0.6 else 1
    return PerChannel.made(
        Fraction(random.randint(1 if positive else -2, 3), random.randint(1, 3)) for _ in range(count)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_arithmetic_is_that_of_each_channel(seed: int) -> None:
    random = Random(seed)
    channels = random.randint(1, 5)
    a, b = drawn(random, channels), drawn(random, channels, positive=True)
    for operation in OPERATIONS:
        made = operation(a, b)
        assert [made.of(c) for c in range(channels)] == [operation(a.of(c), b.of(c)) for c in range(channels)]
        assert len(made.values) == width(a, b)
        assert all(type(value) is Fraction for value in made.values)
        number = random.choice([1, 3, Fraction(2, 7), Fraction(-5)])
        assert operation(a, number) == operation(a, PerChannel.made(number))
    assert (-a).values == tuple(-value for value in a.values) == (ZEROS - a).values


@pytest.mark.parametrize("seed", SEEDS)
def test_laws(seed: int) -> None:
    random = Random(seed)
    channels = random.randint(1, 5)
    a, b, c = (drawn(random, channels) for _ in range(3))
    assert a + b == b + a and a * b == b * a
    assert (a + b) + c == a + (b + c) and (a * b) * c == a * (b * c)
    assert (a * (b + c)).each(channels) == (a * b + a * c).each(channels)
    assert a + ZEROS == a * ONES == a / ONES == a - ZEROS == a
    negative = -a
    assert -negative == a
    assert (a - b).each(channels) == (a + -b).each(channels)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_numbers_in_other_lengths(seed: int) -> None:
    random = Random(seed)
    channels = random.randint(1, 5)
    a = drawn(random, channels)
    each = PerChannel(a.each(channels))
    assert each.values == tuple(a.of(c) for c in range(channels))
    assert each.squeezed() == a.squeezed()
    assert a.squeezed().is_single == (len(set(a.values)) == 1)
    assert a.squeezed().each(channels) == a.each(channels)
    taken = [random.randrange(channels) for _ in range(random.randint(1, 6))]
    assert a.take(taken).each(len(taken)) == tuple(a.of(c) for c in taken)
    assert a.take(range(channels)) == a


def test_one_for_the_whole_tensor_stays_one() -> None:
    third = PerChannel.made(Fraction(1, 3))
    assert third.is_single and third.take([4, 4, 9]) is third and third.squeezed() is third
    assert (third * ONES).is_single and not (third + PerChannel.made([1, 1])).is_single
    assert (third + PerChannel.made([1, 1])).squeezed() == PerChannel.made(Fraction(4, 3))


def test_numbers_that_belong_to_other_channels_do_not_meet() -> None:
    two, three = PerChannel.made([1, 2]), PerChannel.made([1, 2, 3])
    for operation in OPERATIONS:
        with pytest.raises(AssertionError, match="2 values for 3 channels"):
            operation(two, three)
    with pytest.raises(AssertionError, match="3 values for 2 channels"):
        three.each(2)
    with pytest.raises(AssertionError, match="3 values for 1 channels"):
        spread((1, 2, 3), 1)


def test_no_number_says_nothing() -> None:
    assert not NONE and not NONE.is_single and NONE.take([0, 1]) == NONE.squeezed() == NONE
    assert ZEROS and ONES  # a number is said, even if it is 0


def test_it_is_a_value() -> None:
    a = PerChannel.made([Fraction(1, 3), 2])
    assert a == PerChannel((Fraction(1, 3), Fraction(2))) and hash(a) == hash(PerChannel.made([Fraction(1, 3), 2]))
    assert deepcopy(a) == a and a != PerChannel.made([2, Fraction(1, 3)])
    assert PerChannel.made(True) == ONES and a != a.values
    with pytest.raises(AttributeError):
        a.values = ()  # type: ignore[misc]
