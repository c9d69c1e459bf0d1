# SPDX-License-Identifier: Apache-2.0
"""Float networks drawn at random, and what they may be quantised to: every type, scale and zero point there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress import ActQuant, Calibration, Coded, FloatNet, State, calibrate, quantize
from bitwright.compress.network import Layer
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from tests.compress.nets import graph, node

Array = NDArray[Any]


class Draw:
    """One network of `seed`: `model()` is its file, `samples()` what it can be calibrated on."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, Array] = {}
        self.shape = (int(self.rng.integers(1, 4)), 6, 6)
        self.sample = self.shape
        self.pooled = False
        self.channels: dict[str, tuple[int, ...]] = {}  # tensor -> the shape of one number for each of its channels
        self.order: dict[str, tuple[int, ...]] = {}  # weight of a dense layer behind an image -> shape of that image

    def model(self) -> onnx.ModelProto:
        """A convolution, two to four blocks, a convolution and two dense layers."""
        tensor = self._convolution("x")
        for _ in range(int(self.rng.integers(2, 5))):
            blocks = (self._convolution, self._depthwise, self._residual, self._pool, self._average, self._join)
            block = blocks[int(self.rng.integers(len(blocks)))]
            tensor = self._image(block(tensor))
            self.pooled = block == self._pool
        tensor = self._dense(self._activation(self._convolution(tensor)))
        self.nodes[-1].output[0] = "y"
        return graph(self.nodes, self.weights, sample=self.sample)

    def samples(self) -> Array:
        """Twenty samples."""
        return self.rng.normal(size=(20, *self.sample)).astype(np.float32)

    def _add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(node(op, " ".join(inputs), name, **attributes))
        return name

    def _image(self, tensor: str) -> str:
        """The tensor, whose channels are those of the shape."""
        self.channels[tensor] = (1, self.shape[0], 1, 1)
        return tensor

    def _constant(self, *shape: int, spread: float = 1.0) -> str:
        name = f"c{len(self.weights)}"
        self.weights[name] = (self.rng.normal(size=shape) * spread).astype(np.float32)
        return name

    def _convolution(self, tensor: str, stride: int | None = None) -> str:
        channels, height, width = self.shape
        outputs, size = int(self.rng.integers(2, 6)), int(self.rng.integers(1, 4))
        stride = stride or int(self.rng.integers(1, 3))
        inputs = [tensor, self._constant(outputs, channels, size, size, spread=0.5)]
        if self.rng.random() < 0.7:
            inputs.append(self._constant(outputs, spread=0.3))
        pads = [size // 2] * 4
        made = self._add("Conv", *inputs, kernel_shape=[size, size], strides=[stride, stride], pads=pads)
        self.shape = (
            outputs,
            (height + 2 * (size // 2) - size) // stride + 1,
            (width + 2 * (size // 2) - size) // stride + 1,
        )
        if self.rng.random() < 0.5:
            norm = [self._constant(outputs, spread=0.3) for _ in range(3)]
            self.weights[norm[0]] += 1
            variance = self._constant(outputs)
            self.weights[variance] = np.abs(self.weights[variance]) + np.float32(0.1)
            made = self._add("BatchNormalization", made, *norm, variance)
        return self._activation(made) if self.rng.random() < 0.7 else made

    def _depthwise(self, tensor: str) -> str:
        channels, _, _ = self.shape
        kernel = self._constant(channels, 1, 3, 3, spread=0.5)
        made = self._add(
            "Conv", tensor, kernel, self._constant(channels, spread=0.3), group=channels, pads=[1, 1, 1, 1]
        )
        return self._activation(made)

    def _residual(self, tensor: str) -> str:
        channels, _, _ = self.shape
        kernel = self._constant(channels, channels, 3, 3, spread=0.3)
        made = self._add("Conv", tensor, kernel, self._constant(channels, spread=0.3), pads=[1, 1, 1, 1])
        return self._add("Relu", self._add("Add", made, tensor))

    def _join(self, tensor: str) -> str:
        channels, _, _ = self.shape
        kernel = self._constant(2, channels, 1, 1, spread=0.5)
        self.shape = (channels + 2, *self.shape[1:])
        return self._add("Concat", tensor, self._add("Conv", tensor, kernel), axis=1)

    def _activation(self, tensor: str) -> str:
        match int(self.rng.integers(4)):
            case 0:
                return self._add("LeakyRelu", tensor, alpha=0.125)
            case 1:
                low, high = f"c{len(self.weights)}", f"c{len(self.weights) + 1}"
                self.weights |= {low: np.zeros((), np.float32), high: np.asarray(6, np.float32)}
                return self._add("Clip", tensor, low, high)
            case _:
                return self._add("Relu", tensor)

    def _pool(self, tensor: str) -> str:
        channels, height, width = self.shape
        if min(height, width) < 2 or self.pooled:
            return tensor
        self.shape = (channels, height // 2, width // 2)
        return self._add("MaxPool", self._activation(tensor), kernel_shape=[2, 2], strides=[2, 2])

    def _average(self, tensor: str) -> str:
        channels, height, width = self.shape
        if min(height, width) < 2:
            return tensor
        self.shape = (channels, height - 1, width - 1)
        return self._add("AveragePool", tensor, kernel_shape=[2, 2])

    def _dense(self, tensor: str) -> str:
        flat = self._add("Flatten", tensor)
        rows = int(np.prod(self.shape))
        weight = self._constant(3, rows, spread=0.2)
        self.order[weight] = self.shape
        factors = {"alpha": 0.75, "beta": 1.5} if self.rng.random() < 0.2 else {}
        made = self._add("Gemm", flat, weight, self._constant(3), transB=1, **factors)
        made = self._add("MatMul", self._add("Relu", made), self._constant(3, 4))
        return self._add("Add", made, self._constant(4)) if self.rng.random() < 0.5 else made


def any_state(draw: Draw, *, po2: bool = False) -> State:
    """The network of `draw` as any state that can be: types a row, bases, zero points, scales a channel."""
    rng = draw.rng
    calibration = calibrate(draw.model(), [draw.samples()])
    net = calibration.net
    weights = {layer.weight: _bases(net, layer, rng, po2) for layer in net.layers}
    acts = {site.tensor: _quantiser(calibration, site.tensor, draw, po2) for site in net.sites}
    return State(net, weights, acts, bias_grid=bool(po2 or rng.random() < 0.5))


def common_state(draw: Draw) -> State:
    """The network of `draw` as `quantize` makes it, by options that are drawn."""
    model, x = draw.model(), draw.samples()
    weights, activations = (int(bits) for bits in draw.rng.integers(2, 9, 2))
    per_channel, free, least = draw.rng.random(3) < 0.5
    return quantize(
        model,
        x,
        weights=weights,
        activations=activations,
        per_channel=bool(per_channel),
        range="mse" if least else "max",
        scale="free" if free else "po2",
        **({"exact": "po2"} if not free and least else {}),
        **({"rounding": "nearest", "correct": "none"} if per_channel else {}),
    )


def _scale(found: Array, po2: bool) -> Array:
    """Positive scales, or the powers of two beside them."""
    found = np.maximum(found, 1e-3)
    return np.asarray(2.0 ** np.round(np.log2(found)) if po2 else found, np.float32)


def _bases(net: FloatNet, layer: Layer, rng: np.random.Generator, po2: bool) -> tuple[Coded, ...]:
    """One or two coded weights, the second of what the first leaves."""
    left, bases = net.constants[layer.weight], []
    for _ in range(1 if rng.random() < 0.8 else 2):
        types = [_weight_type(rng) for _ in range(left.shape[layer.axis] if rng.random() < 0.4 else 1)]
        tops = np.array([kind.hi for kind in types])
        rows = np.abs(np.moveaxis(left, layer.axis, 0).reshape(left.shape[layer.axis], -1))
        most = rows.max(axis=1) if rng.random() < 0.6 or len(types) > 1 else rows.max(keepdims=True)[:, 0]
        scale = layer.along(_scale(most / tops, po2), left) if len(most) > 1 else _scale(most[0] / tops[0], po2)
        low, high, step = (layer.along(np.array([getattr(t, end) for t in types]), left) if len(types) > 1
                           else getattr(types[0], end) for end in ("lo", "hi", "step"))  # fmt: skip
        codes = np.rint(left / scale).clip(low, high)
        codes = np.where(np.asarray(step) == 2, np.where(codes >= 0, 1, -1), codes).astype(np.int32)
        bases.append(Coded(codes, scale, tuple(types) if len(types) > 1 else types[0]))
        left = left - bases[-1].value
    return tuple(bases)


def _weight_type(rng: np.random.Generator) -> IntType:
    bits = int(rng.integers(1, 9))
    return (BIPOLAR, TERNARY)[bits - 1] if bits < 3 else integer(bits, signed=True, narrow=bool(rng.random() < 0.5))


def _quantiser(calibration: Calibration, tensor: str, draw: Draw, po2: bool) -> ActQuant:
    """A quantiser of any type; one that enters has one scale."""
    rng, values = draw.rng, calibration.values[tensor]
    low, high = min(values.low.item(), 0.0), max(values.high.item(), 0.1)
    bits, zero = int(rng.integers(1, 9)), np.float32(0)
    if bits == 1:
        return ActQuant(BIPOLAR, _scale(np.asarray(high / 2), po2), np.zeros((), np.float32))
    kind = integer(bits, signed=bool(low < 0 or rng.random() < 0.2))
    found = max(high / kind.hi, low / min(kind.lo, -1))
    if rng.random() < 0.4:  # asymmetric, now and then far from the codes
        found = (high - low) / (kind.count - 1)
        zero = np.float32(np.rint(kind.lo - low / found) + (0 if rng.random() < 0.8 else 3 * kind.count))
    shape = draw.channels.get(tensor, ())
    spread = np.exp2(rng.integers(-2, 1, size=shape)) if rng.random() < 0.3 else np.ones(())
    return ActQuant(kind, _scale(found * spread, po2), np.asarray(zero))
