# SPDX-License-Identifier: Apache-2.0
"""Random small chains of layers: the engine equals an evaluation in `Fraction`s, ties included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.verify import verify
from tests.frontend.nets import Net, outputs_of

Exact = NDArray[Any]
"""An object array of Fractions, (channels, height, width)."""
SCALES = [0.5, 1.0, 2.0, 0.25, 0.1, 0.3, 3.0, 1.7]
HALF = Fraction(1, 2)


def exact(number: float) -> Fraction:
    return Fraction(float(np.float32(number)))


def rounded(mode: str, v: Fraction) -> int:
    sign = 1 if v >= 0 else -1
    match mode:
        case "ROUND":
            return round(v)
        case "CEIL":
            return ceil(v)
        case "FLOOR":
            return floor(v)
        case "UP":
            return sign * ceil(abs(v))
        case "DOWN":
            return sign * floor(abs(v))
        case "HALF_UP":
            return sign * floor(abs(v) + HALF)
        case _:
            return sign * ceil(abs(v) - HALF)


@dataclass(frozen=True)
class Quantiser:
    """QONNX where `mode` names a rounding, ONNX where it is empty."""

    scale: float
    zero: float
    bits: int
    signed: bool
    narrow: bool
    mode: str

    def append(self, net: Net, x: str) -> str:
        if self.mode:
            options = {"signed": int(self.signed), "narrow": int(self.narrow), "mode": self.mode}
            return net.quant(x, self.scale, self.zero, float(self.bits), **options)  # type: ignore[arg-type]
        return net.qdq(x, self.scale, int(self.zero), np.int8 if self.signed else np.uint8)

    def apply(self, x: Exact) -> Exact:
        bits, narrow = (self.bits, self.narrow) if self.mode else (8, False)
        low = -(1 << bits - 1) + narrow if self.signed else 0
        high = (1 << bits - 1) - 1 if self.signed else (1 << bits) - 1 - narrow
        scale, zero = exact(self.scale), Fraction(self.zero)

        def one(v: Fraction) -> Fraction:
            code = rounded(self.mode, v / scale + zero) if self.mode else round(v / scale) + int(zero)
            if bits == 1 and self.signed:
                code = 1 if v / scale + zero >= 0 else -1
            return scale * (min(max(code, low), high if bits > 1 or not self.signed else 1) - zero)

        return np.vectorize(one, otypes=[object])(x)


@dataclass(frozen=True)
class Convolution:
    outputs: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    groups: int
    bits: int
    scales: tuple[float, ...]
    seed: int
    normalised: bool

    def constants(self, inputs: int) -> tuple[NDArray[np.int64], list[float], list[list[float]]]:
        rng = np.random.default_rng(self.seed)
        limit = 1 << self.bits - 1
        codes = rng.integers(-limit, limit, (self.outputs, inputs // self.groups, *self.kernel))
        bias = (rng.integers(-64, 64, self.outputs) / 8).tolist()
        norm = [
            rng.choice([-1.5, 0.0, 0.5, 2.0], self.outputs),
            *rng.normal(size=(2, self.outputs)),
            rng.uniform(0.5, 4, self.outputs),
        ]
        return codes, bias, [row.tolist() for row in norm]

    def append(self, net: Net, x: str, inputs: int) -> str:
        codes, bias, norm = self.constants(inputs)
        scale = np.array(self.scales, np.float32).reshape(-1, 1, 1, 1)
        weights = net.quant(net.const(codes * scale), scale, bits=float(self.bits))
        y = net.add(
            "Conv",
            x,
            weights,
            net.const(bias),
            strides=list(self.strides),
            dilations=list(self.dilations),
            pads=list(self.pads),
            group=self.groups,
        )
        return net.add("BatchNormalization", y, *map(net.const, norm)) if self.normalised else y

    def apply(self, x: Exact) -> Exact:
        codes, bias, norm = self.constants(len(x))
        scale = np.array([exact(s) for s in self.scales] * (self.outputs // len(self.scales)), dtype=object)
        weights = codes.astype(object) * scale[:, None, None, None]
        top, left, bottom, right = self.pads
        x = np.pad(x, ((0, 0), (top, bottom), (left, right)), constant_values=Fraction(0))
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.strides, self.dilations
        rows, cols = (x.shape[1] - (kh - 1) * dh - 1) // sh + 1, (x.shape[2] - (kw - 1) * dw - 1) // sw + 1
        inner, share = codes.shape[1], self.outputs // self.groups
        out = np.empty((self.outputs, rows, cols), dtype=object)
        for o, r, c in product(range(self.outputs), range(rows), range(cols)):
            base = o // share * inner
            total = exact(bias[o])
            for i, a, b in product(range(inner), range(kh), range(kw)):
                total += weights[o, i, a, b] * x[base + i, r * sh + a * dh, c * sw + b * dw]
            out[o, r, c] = self._normalise(total, [row[o] for row in norm]) if self.normalised else total
        return out

    def _normalise(self, v: Fraction, row: list[float]) -> Fraction:
        gamma, beta, mean = (exact(number) for number in row[:3])
        sigma = np.sqrt(np.float32(row[3]) + np.float32(1e-5), dtype=np.float32)
        return gamma * (v - mean) / Fraction(float(sigma)) + beta


@dataclass(frozen=True)
class Pool:
    kernel: int
    stride: int

    def append(self, net: Net, x: str) -> str:
        return net.add("MaxPool", x, kernel_shape=[self.kernel] * 2, strides=[self.stride] * 2)

    def apply(self, x: Exact) -> Exact:
        rows, cols = ((n - self.kernel) // self.stride + 1 for n in x.shape[1:])
        out = np.empty((len(x), rows, cols), dtype=object)
        for c, i, j in product(range(len(x)), range(rows), range(cols)):
            at = i * self.stride, j * self.stride
            out[c, i, j] = max(x[c, at[0] : at[0] + self.kernel, at[1] : at[1] + self.kernel].reshape(-1))
        return out


@dataclass(frozen=True)
class Block:
    convolution: Convolution
    relu: bool
    pool_first: bool
    pool: Pool | None
    quantiser: Quantiser


@st.composite
def quantisers(draw: st.DrawFn) -> Quantiser:
    bits, signed = draw(st.integers(1, 8)), draw(st.booleans())
    mode = draw(st.sampled_from(["", "ROUND", "ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]))
    zeros = st.sampled_from([0.0, 0.0, 1.0, 3.0, 10.0] if mode == "" else [0.0, 0.0, 1.0, 3.0, 0.5, -1.25])
    scale = draw(st.sampled_from(SCALES))
    return Quantiser(scale, draw(zeros), bits, signed, draw(st.booleans()) and bits > signed, mode)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Quantiser, tuple[int, int, int], list[Block]]:
    small = st.integers(1, 2)
    size = _, height, width = draw(st.sampled_from([2, 4])), draw(st.integers(3, 6)), draw(st.integers(3, 6))
    first = replace(draw(quantisers()), scale=draw(st.sampled_from([0.25, 0.5, 1.0, 2.0])))
    last, blocks = first, []
    for _ in range(draw(small)):
        groups = draw(st.sampled_from([1, 2]))
        kernel = draw(small), draw(small)
        dilations = draw(small), draw(small)
        reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
        whole = float(last.zero).is_integer()
        pads = tuple(draw(st.integers(0, 2)) if whole else 0 for _ in range(4))
        if height + pads[0] + pads[2] < reach[0] or width + pads[1] + pads[3] < reach[1]:
            break
        strides = draw(small), draw(small)
        outputs = draw(st.sampled_from([2, 4]))
        scales = tuple(draw(st.lists(st.sampled_from(SCALES), min_size=outputs, max_size=outputs)))
        convolution = Convolution(
            outputs, kernel, strides, dilations, (pads[0], pads[1], pads[2], pads[3]), groups, draw(st.integers(2, 5)),
            scales if draw(st.booleans()) else scales[:1], draw(st.integers(0, 999)), draw(st.booleans()),
        )  # fmt: skip
        height = (height + pads[0] + pads[2] - reach[0]) // strides[0] + 1
        width = (width + pads[1] + pads[3] - reach[1]) // strides[1] + 1
        pool = Pool(2, draw(small)) if min(height, width) > 1 and draw(st.booleans()) else None
        if pool:
            height, width = (height - 2) // pool.stride + 1, (width - 2) // pool.stride + 1
        last = draw(quantisers())
        blocks.append(Block(convolution, draw(st.booleans()), draw(st.booleans()), pool, last))
    return first, size, blocks


@pytest.mark.slow
@settings(max_examples=120, deadline=None, derandomize=True)
@given(chains(), st.integers(0, 999))
def test_a_chain_equals_its_meaning(chain: tuple[Quantiser, tuple[int, int, int], list[Block]], seed: int) -> None:
    first, size, blocks = chain
    net = Net(*size)
    name = first.append(net, net.x)
    x = (np.random.default_rng(seed).integers(-300, 300, (2, *size)) / 8).astype(np.float32)
    values = [first.apply(np.vectorize(exact, otypes=[object])(sample)) for sample in x]
    for block in blocks:
        channels = len(values[0])
        name = block.convolution.append(net, name, channels)
        values = [block.convolution.apply(value) for value in values]
        if block.relu:
            name = net.add("Relu", name)
            values = [np.maximum(value, Fraction(0)) for value in values]
        for step in [block.pool, block.quantiser] if block.pool_first else [block.quantiser, block.pool]:
            if step is not None:
                name = step.append(net, name)
                values = [step.apply(value) for value in values]
    if not blocks:
        return
    graph = verify(load_onnx(net.proto(name)))
    wanted = np.array([np.vectorize(float)(value) for value in values]).astype(np.float32)
    np.testing.assert_array_equal(outputs_of(graph, x)[0], wanted)
