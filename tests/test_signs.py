# SPDX-License-Identifier: Apache-2.0
"""Convolutions of binary weights and wide activations: exact, without multipliers, and priced so."""

from __future__ import annotations

import numpy as np
import pytest

import bitwright as bw
from bitwright.hardware.modules import units
from bitwright.ir.graph import Graph
from bitwright.sim import reference
from tests.needs import needs_rtl
from tests.test_im2col import oracle

CHANNELS, OUTPUTS, SIZE = 4, 4, 8


def network(kernel: int, weights: np.ndarray | None = None) -> Graph:
    """A convolution of 12-bit activations by signs, as large as what it reads."""
    rng = np.random.default_rng(kernel)
    net = bw.Net()
    x = net.input("x", (SIZE, SIZE, CHANNELS), "s12")
    signs = rng.choice([-1, 1], (OUTPUTS, kernel, kernel, CHANNELS)) if weights is None else weights
    pad = kernel // 2
    net.output(net.conv(x, signs, pads=(pad, pad, pad, pad), name="conv"))
    return net.graph()


def codes(samples: int) -> np.ndarray:
    return np.random.default_rng(9).integers(-2048, 2048, (samples, SIZE, SIZE, CHANNELS))


@pytest.mark.rows("R163")
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_signs_add_or_subtract_in_as_many_clocks_as_the_formula_says(kernel: int) -> None:
    graph = network(kernel)
    (conv,) = graph.layers
    x = codes(1)
    np.testing.assert_array_equal(reference.run(graph, [x])[0][0], oracle(conv, x[0]))  # type: ignore[arg-type]
    design = bw.compile(graph, cycles=SIZE * SIZE * kernel * kernel * CHANNELS)
    (layer,) = design.record.layers
    words = SIZE * SIZE * kernel * kernel * CHANNELS // layer.simd * OUTPUTS // layer.pe
    assert layer.style == "ternary" and layer.dsp == 0 and layer.cycles == words


@pytest.mark.rows("R163")
def test_signs_are_cheaper_than_products_of_any_width() -> None:
    cost = {}
    for bits in (1, 2, 4, 8):
        kind = np.random.default_rng(bits).integers(-(1 << bits - 1), 1 << bits - 1, (OUTPUTS, 3, 3, CHANNELS))
        graph = network(3, None if bits == 1 else kind | 1 if bits > 2 else kind)
        cost[bits] = bw.compile(graph, cycles=2400).price.cost
    assert cost[1] < min(cost[bits] for bits in (2, 4, 8))
    signs = units.mac_ternary(pe=4, simd=9, term_w=13, acc_w=20)
    assert sum(part.dsp * part.count for part in signs) == 0


@pytest.mark.slow
@needs_rtl
@pytest.mark.rows("R163")
@pytest.mark.parametrize("kernel", [3, *(pytest.param(size, marks=pytest.mark.long) for size in (1, 5, 7))])
def test_clocks_of_signs_are_those_of_a_simulation(kernel: int) -> None:
    graph = network(kernel)
    design = bw.compile(graph, cycles=SIZE * SIZE * kernel * kernel * CHANNELS)
    x = codes(3)
    found = bw.verify(graph, x, bw.run(graph, x, engine="reference"), engines=["rtl"], design=design)
    row = found["engines"]["rtl"]
    assert row["mismatches"] == 0 and found["golden"]["equal"] == found["golden"]["elements"]
    assert row["cycles_per_frame"] == design.record.interval_cycles == design.record.layers[0].cycles
