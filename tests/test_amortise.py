# SPDX-License-Identifier: Apache-2.0
"""Constant products that are made once: the same integers, in no more additions, of which zeros take none."""

from __future__ import annotations

import numpy as np
import pytest

import bitwright as bw
from bitwright.ir.layers import Matrix
from bitwright.ir.verify import verify
from bitwright.rewriting.amortise import adders, amortise, factored
from bitwright.sim import reference
from tests.ir.graphs import random_codes, random_graph
from tests.needs import needs_cxx


def digits(number: int) -> int:
    """Digits of -1, 0 and 1, no two neighbours of which are other than 0."""
    found = 0
    while number:
        digit = 2 - number % 4 if number % 2 else 0
        found, number = found + (digit != 0), (number - digit) // 2
    return found


@pytest.mark.rows("R159")
@pytest.mark.parametrize("bits", range(2, 9))
def test_products_that_are_shared_take_no_more_additions(bits: int) -> None:
    rng = np.random.default_rng(bits)
    weights = rng.integers(-(1 << bits - 1), 1 << bits - 1, (12, 9))
    factors, sums = factored(weights)
    x = rng.integers(-1000, 1000, (9, 50))
    np.testing.assert_array_equal(sums @ (factors @ x), weights @ x)
    naive = sum(max(sum(digits(abs(int(w))) for w in row) - 1, 0) for row in weights)
    assert adders(weights) == naive
    made = adders(factors) + adders(sums)
    assert made <= naive and (made < naive or bits <= 3)
    assert set(np.abs(sums).ravel()) <= {0, *(1 << place for place in range(bits))}
    assert (np.count_nonzero(factors, axis=1) == 1).all() and (factors[factors != 0] % 2 == 1).all()


@pytest.mark.rows("R159")
def test_additions_are_as_many_as_weights_are_left() -> None:
    """Half of the weights take half of the additions, as many as before but for one an output."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-7, 8, (64, 64))
    counts = []
    for share in (0.0, 0.5, 0.75):
        left = weights * (rng.random(weights.shape) >= share)
        made = adders(factored(left)[1])
        assert made == np.count_nonzero(left) - 64
        counts.append((made + 64) / (np.count_nonzero(weights) * (1 - share)))
    assert counts == pytest.approx([1, 1, 1], abs=0.05)


@pytest.mark.parametrize("seed", range(12))
def test_networks_of_every_kind_make_the_same_integers(seed: int) -> None:
    graph = random_graph(seed, joins=seed % 2 == 0, bits=8)
    made = verify(amortise()(graph))
    codes = random_codes(graph, seed, 3)
    for ours, theirs in zip(reference.run(made, codes), reference.run(graph, codes), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert amortise()(made) is made


@pytest.mark.slow
@needs_cxx
@pytest.mark.rows("R159")
def test_shared_products_are_exact_in_hardware() -> None:
    rng = np.random.default_rng(1)
    net = bw.Net()
    x = net.input("x", (4, 4, 2), "u3")
    y = net.requantise(net.conv(x, rng.integers(-7, 8, (3, 3, 3, 2)), pads=(1, 1, 1, 1)), "s4", scale=32)
    net.output(net.dense(net.reshape(y), rng.integers(-7, 8, (2, 48))))
    graph = net.graph()
    data = rng.integers(0, 8, (4, 4, 4, 2))
    made = bw.rewrite(graph, "amortise")
    assert sum(isinstance(layer, Matrix) for layer in made.layers) == 4
    np.testing.assert_array_equal(bw.run(made, data, engine="hls"), bw.run(graph, data, engine="reference"))
