# SPDX-License-Identifier: Apache-2.0
"""Zero points: taken where values are on one side or far from zero; a code where zeros are put beside the codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import RANGES, SCALES, float_net, outputs_of, quantize
from bitwright.compress.choices import ActChoice, is_padded
from bitwright.compress.coded import ActQuant
from bitwright.compress.ranges import Values
from bitwright.compress.zeros import error, quantiser
from bitwright.ir.types import integer
from tests.compress.nets import Floats, graph, node, normal
from tests.exported import differences
from tests.needs import needs_cxx, needs_rtl

CHOICE = ActChoice(bits=4, range="mse", scale="free", zero="auto", unsigned=False, padded=False)
ROWS: dict[str, Floats] = {
    "even": normal(1, 4000),
    "leaky": np.where(normal(1, 4000) < 0, 0.1, 1).astype(np.float32) * normal(1, 4000),
    "hard swish": (normal(1, 4000) * np.clip(normal(1, 4000) / 6 + 0.5, 0, 1) * 2).astype(np.float32),
    "far": (normal(1, 4000) + 1000).astype(np.float32),
    "below": -np.abs(normal(1, 4000)) - 2,
    "relu": np.maximum(normal(1, 4000), 0),
}


def test_a_zero_point_of_minus_zero_is_none_of_its_own() -> None:
    scale = np.ones((), np.float32)
    kept, turned = (ActQuant(integer(4, signed=True), scale, np.full((), zero, np.float32)) for zero in (0.0, -0.0))
    assert kept == turned and kept.digest == turned.digest


@pytest.mark.parametrize("name", ROWS)
def test_a_shifted_or_mirrored_row_has_the_sums_of_its_values(name: str) -> None:
    values = Values.of(ROWS[name])
    for made in (values.shifted(2.5), values.mirrored(), values.shifted(-1).mirrored()):
        again = Values.of(made.sample)
        np.testing.assert_array_equal(made.low, again.low)
        for one, other in zip(made.sums, again.sums, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-5 * np.abs(other).max())


@pytest.mark.rows("R005", "R007")
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("method", RANGES)
@pytest.mark.parametrize("padded", [False, True])
def test_a_zero_point_is_taken_where_it_halves_the_error(
    method: str, scale: str, bits: int, name: str, padded: bool
) -> None:
    values = Values.of(ROWS[name])
    choice = replace(
        CHOICE, bits=bits, range=method, scale=scale, padded=padded, unsigned=bool((values.low >= 0).all())
    )
    never, auto, always = (quantiser(values, replace(choice, zero=zero)) for zero in ("never", "auto", "always"))
    assert not never.zero and auto in (never, always)
    assert auto == never or 2 * error(values, auto) <= error(values, never)
    for act in (never, auto, always):
        assert act.type.bits == bits and act.zero == np.rint(act.zero)
        assert not padded or act.zero in range(act.type.lo, act.type.hi + 1)
        codes = np.rint(values.sample / act.scale + act.zero).clip(act.type.lo, act.type.hi)
        wanted = (((codes - act.zero) * act.scale - values.sample) ** 2).sum()
        assert error(values, act) == pytest.approx(wanted, rel=0.02, abs=1e-3)


def test_who_gets_a_zero_point_by_itself() -> None:
    taken = {name: bool(quantiser(Values.of(row), replace(CHOICE, unsigned=bool((row >= 0).all()))).zero)
             for name, row in ROWS.items()}  # fmt: skip
    assert taken == {"even": False, "leaky": True, "hard swish": True, "far": True, "below": True, "relu": False}


def test_zeros_beside_the_codes_are_seen_through_what_moves_them() -> None:
    nodes = [
        node("Conv", "x a", "h"),
        node("MaxPool", "h", "p", kernel_shape=[2, 2]),
        node("Conv", "p b", "g", pads=[1, 1, 1, 1]),
        node("Flatten", "g", "f"),
        node("MatMul", "f w", "y"),
    ]
    weights = {"a": normal(2, 2, 1, 1), "b": normal(2, 2, 3, 3), "w": normal(18, 3)}
    net = float_net(graph(nodes, weights, sample=[2, 4, 4]))
    assert {site.tensor: is_padded(net, site) for site in net.sites} == {"x": False, "h": True, "g": False}


def test_a_level_far_from_zero_goes_into_the_bias() -> None:
    x = (normal(200, 6) + 1000).astype(np.float32)
    model = graph([node("Gemm", "x w b", "y")], {"w": normal(6, 3), "b": normal(3)}, sample=[6])
    wanted = outputs_of(float_net(model), [x])[0]
    noise = {}
    for zero in ("never", "auto"):
        state = quantize(model, x, weights=16, zero=zero)
        assert differences(state.graph(), bw.load(state.onnx())) == []
        noise[zero] = float(((bw.run(state.graph(), x) - wanted) ** 2).mean())
    assert noise["auto"] < 1e-3 * noise["never"]
    assert noise["auto"] < 1e-3 * wanted.var()


ASYMMETRIC = graph(
    [
        node("Conv", "x a b", "h", pads=[1, 1, 1, 1]),
        node("LeakyRelu", "h", "l", alpha=0.1),
        node("Conv", "l c", "g", pads=[1, 1, 1, 1], group=3),
        node("Add", "g l", "s"),
        node("AveragePool", "s", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "f"),
        node("Gemm", "f w v", "y"),
    ],
    {"a": normal(3, 2, 3, 3), "b": normal(3), "c": normal(3, 1, 3, 3), "w": normal(12, 4), "v": normal(4)},
    sample=[2, 4, 4],
)


@pytest.mark.parametrize(
    ("engine", "exact"),
    [pytest.param("hls", "audit", marks=needs_cxx), pytest.param("rtl", "po2", marks=needs_rtl)],
)
def test_every_engine_pads_with_the_zero_point(engine: str, exact: str) -> None:
    x = normal(24, 2, 4, 4) + 1
    state = quantize(ASYMMETRIC, x, weights=4, activations=4, zero="always", exact=exact)
    assert all(act.zero for act in state.acts.values())
    report = bw.verify(bw.load(state.onnx()), x, engines=("reference", engine), samples=8)
    assert bw.api.passed(report)
    assert integer(4, signed=False) in {act.type for act in state.acts.values()}
