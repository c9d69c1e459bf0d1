# SPDX-License-Identifier: Apache-2.0
"""n-of-m weights: the pattern that is found, what multipliers select, what plans may ask for, what engines give."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from bitwright.compiling import compile_graph
from bitwright.design import Design, random_codes
from bitwright.frontend.build import Net
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.select import GROUPS, SelectMatrixVector, selection
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer
from bitwright.ir.weights import Ints, NofM
from bitwright.sim import reference
from bitwright.sim.engines import ENGINES
from tests.needs import needs_rtl


def pruned(seed: int, shape: tuple[int, ...], kept: int, group: int) -> Ints:
    """Weights of -7..7 of which exactly `kept` of `group` neighbours on the last axis are not zero."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 8, shape) * rng.choice([-1, 1], shape)
    rows = weights.reshape(-1, group)
    ranks = rng.permuted(np.tile(np.arange(group), (len(rows), 1)), axis=1)
    return np.asarray((rows * (ranks < kept)).reshape(shape))


@pytest.mark.parametrize(
    ("kept", "group", "simd", "found"),
    [
        (2, 4, 4, NofM(2, 4)),
        (2, 4, 8, NofM(2, 4)),
        (1, 4, 8, NofM(1, 4)),
        (1, 2, 8, NofM(1, 2)),  # four of eight need as many multipliers, and wider selectors
        (3, 8, 16, NofM(3, 8)),
        (3, 4, 4, NofM(3, 4)),
        (4, 4, 8, None),
        (2, 4, 2, None),
        (2, 4, 6, None),
        (1, 16, 16, NofM(1, 16)),
    ],
)
def test_the_pattern_with_the_fewest_multipliers(kept: int, group: int, simd: int, found: NofM | None) -> None:
    """Of 2 of 4 pruned by chance no pair is always half empty, so SIMD 2 and 6 have nothing."""
    assert selection(pruned(1, (12, 48), kept, group), simd) == found


@pytest.mark.parametrize("seed", range(20))
def test_no_group_has_more(seed: int) -> None:
    """Against a count by hand of every group: the least share of multipliers, then the fewest neighbours."""
    rng = np.random.default_rng(seed)
    simd = int(rng.choice([2, 4, 6, 8, 12, 16]))
    weights = rng.integers(0, 2, (4, 2 * simd)) * (rng.random((4, 2 * simd)) < rng.random())
    shares = []
    for group in GROUPS:
        if simd % group == 0:
            starts = range(0, 2 * simd, group)
            most = max(sum(1 for w in row[s : s + group] if w) for row in weights.tolist() for s in starts)
            shares.append((max(most, 1) / group, group, max(most, 1)))
    least = min(shares, default=(1, 0, 0))
    assert selection(weights, simd) == (NofM(least[2], least[1]) if least[0] < 1 else None)


def network(weights: Ints, *, groups: int = 1, pad: int = 0) -> Graph:
    """A dense layer, or a convolution of 6 x 5 pixels by 3 x 3, and a requantiser."""
    net = Net()
    sums: Layer
    if weights.ndim == 4:
        x = net.input("x", (6, 5, weights.shape[-1] * groups), "u4")
        sums = net.conv(x, weights, groups=groups, pads=(pad,) * 4, name="fc")
    else:
        sums = net.dense(net.input("x", (weights.shape[1],), "u4"), weights, name="fc")
    net.rescale(sums, "u4", multiplier=Fraction(1, 16), name="q")
    return net.graph()


def design(graph: Graph, **planned: object) -> Design:
    layer = LayerPlan(**{"pe": 2, "simd": 4, "zeros": "select"} | planned)  # type: ignore[arg-type]
    return compile_graph(graph, plan=Plan({"fc": layer}))


def unit(made: Design) -> SelectMatrixVector:
    (kernel,) = (kernel for kernel in made.kernels.kernels if isinstance(kernel, MatrixVector))
    assert isinstance(kernel, SelectMatrixVector)
    return kernel


def test_every_weight_is_multiplied_by_its_element() -> None:
    """Weights put back to the places of their choices are those of the unit that multiplies all."""
    graph = network(pruned(2, (6, 24), 2, 4))
    kernel = unit(design(graph, simd=12))
    (dense,) = (k for k in design(graph, simd=12, zeros="multiply").kernels.kernels if isinstance(k, MatrixVector))
    assert (kernel.kept, kernel.group, kernel.products, kernel.weights.array.shape) == (2, 4, 6, (6, 2, 6))
    whole = np.zeros((6, 2, 3, 4), np.int64)
    chosen, weights = (x.array.reshape(6, 2, 3, 2) for x in (kernel.choices, kernel.weights))
    np.put_along_axis(whole, chosen, weights, axis=-1)
    np.testing.assert_array_equal(whole.reshape(6, 2, 12), dense.weights.array)
    assert (kernel.cycles, kernel.latency) == (dense.cycles, dense.latency + 1)


def refusal(graph: Graph, **planned: object) -> str:
    with pytest.raises(BitwrightError) as error:
        design(graph, **planned)
    return str(error.value)


def test_what_cannot_be_selected_is_refused_by_name() -> None:
    assert refusal(network(pruned(3, (4, 24), 2, 4)), simd=6) == (
        "plan: layer 'fc': its weights are 2 of 4, and SIMD 6 is no multiple of 4\n"
        "  hint: choose SIMD so, or set its zeros to 'multiply'"
    )
    assert refusal(network(pruned(3, (4, 24), 4, 4))) == (
        "plan: layer 'fc': no 2, 4, 8 or 16 neighbouring weights have a zero in every row: there is nothing to select\n"
        "  hint: set its zeros to 'multiply'"
    )
    assert refusal(network(pruned(3, (4, 3, 3, 1), 1, 3), groups=4), pe=2, simd=1) == (
        "plan: layer 'fc': a depthwise unit has no selectors\n  hint: set its zeros to 'multiply'"
    )


def test_a_plan_keeps_the_choice() -> None:
    made = design(network(pruned(4, (4, 8), 2, 4)))
    again = Plan.from_json(made.plan.to_json(), where="plan.json")
    assert again.layers["fc"].zeros == "select" and again == made.plan


NETWORKS = {
    "dense": (pruned(5, (6, 24), 2, 4), {}, {"simd": 8}),
    "dsp": (pruned(6, (4, 16), 3, 8), {}, {"simd": 16, "pe": 4, "style": "dsp"}),
    "field": (pruned(7, (4, 3, 3, 8), 1, 4), {"pad": 1}, {"simd": 36}),
    "grouped": (pruned(8, (4, 3, 3, 4), 2, 4), {"groups": 2}, {"simd": 4, "memory": "block"}),
}


@cache
def made(name: str) -> Design:
    weights, fields, planned = NETWORKS[name]
    return design(network(weights, **fields), **planned)


@needs_rtl
@pytest.mark.parametrize("name", NETWORKS)
def test_every_engine_gives_the_bits_of_the_reference(name: str) -> None:
    graph = made(name).graph
    codes = random_codes(graph, 4)
    (wanted,) = reference.run(graph, codes)
    for engine in ("hls", "rtl"):
        outcome = ENGINES[engine].build(graph, made(name)).run(codes)
        np.testing.assert_array_equal(outcome.outputs[0], wanted, err_msg=engine)
        if engine == "rtl":
            report = made(name).report()
            assert outcome.counts["cycles_per_frame"] == report["interval_cycles"]
            assert outcome.counts["latency_cycles"] == report["latency_cycles"]


def test_half_the_multipliers() -> None:
    """The estimate of 2 of 4 in logic: well below that of all."""
    graph = network(pruned(9, (8, 32), 2, 4))
    some, every = (design(graph, simd=8, style="lut", zeros=zeros).report() for zeros in ("select", "multiply"))
    assert some["layers"][0]["lut"] < 0.8 * every["layers"][0]["lut"]
    assert unit(design(graph, simd=8, style="dsp")).packing == replace(unit(design(graph, simd=8)).packing, lanes=1)
