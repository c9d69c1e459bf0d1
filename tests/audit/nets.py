# SPDX-License-Identifier: Apache-2.0
"""Small networks of 16-bit codes, where float32 often crosses a step, and float32 runs of them in other orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from bitwright import api
from bitwright.audit import operators
from bitwright.audit.replay import Replay
from bitwright.audit.verdict import Run, Source
from bitwright.frontend.lowering import load_traced
from bitwright.reading.read import read_model
from bitwright.sim import reference
from tests.frontend.nets import Net

Array = NDArray[Any]
Product = Callable[..., Array]


def blas(a: Array, b: Array, start: Array | None = None) -> Array:
    made = np.matmul(a, b)
    return made if start is None else start + made


def backwards(a: Array, b: Array, start: Array | None = None) -> Array:
    total = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), np.float32)
    for k in reversed(range(a.shape[-1])):
        total = total + a[..., k, None] * b[..., k, None, :]
    return total if start is None else total + start


def pairwise(a: Array, b: Array, start: Array | None = None) -> Array:
    terms = np.ascontiguousarray(np.moveaxis(a[..., :, :, None] * b[..., None, :, :], -2, -1))
    made = terms.sum(axis=-1, dtype=np.float32)
    return made if start is None else start + made


ORDERS: list[Product] = [operators.product, blas, backwards, pairwise]


@contextmanager
def order(product: Product) -> Iterator[None]:
    """Inside, replays sum in another order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operators, "product", product)
        yield


def floats(proto: onnx.ModelProto, x: Array, product: Product) -> Array:
    """The model's first output in float32, summed in the order of `product`."""
    name = proto.graph.output[0].name
    with order(product):
        replay = Replay(read_model(proto), [name])
        return np.stack([replay.run([row])[name] for row in x])


def loaded(proto: onnx.ModelProto, *x: Array, rounding: str = "onnx") -> tuple[Run, Source]:
    """What the audit takes: the model's run on `x`, and its source."""
    graph, trace = load_traced(proto, rounding=rounding)
    codes = api.to_codes(graph, list(x))
    feeds = dict(zip(graph.before.inputs, x, strict=True))
    return Run(graph, feeds, codes, api.to_real(graph, reference.run(graph, codes))), Source(
        read_model(proto), graph, trace
    )


def samples(count: int, *shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


class Wide(Net):
    """A network under construction whose activations are 16-bit codes (or others) and whose scales are random."""

    def __init__(self, *shape: int, seed: int = 0, kind: Any = np.int16) -> None:
        super().__init__(*shape, opset=21)
        self.rng = np.random.default_rng(seed)
        self.kind = kind

    def codes(self, x: str, reach: float) -> str:
        """`x` through a quantiser whose range is about +-reach."""
        most = np.iinfo(self.kind).max
        scale = np.float32(reach / most * self.rng.uniform(1, 1.2))
        return self.qdq(x, scale, int(self.rng.integers(-most // 60, most // 60)), self.kind)

    def kernel(self, *shape: int) -> str:
        weights = self.rng.integers(-127, 128, shape)
        return self.dequantize(self.const(weights, np.int8), self.rng.uniform(0.002, 0.004), 0, np.int8)

    def bias(self, size: int, more: float = 0) -> str:
        return self.const(self.rng.normal(size=size) + more)

    def conv(self, x: str, inputs: int, outputs: int, more: float = 0, **attributes: Any) -> str:
        return self.add("Conv", x, self.kernel(outputs, inputs, 3, 3), self.bias(outputs, more), **attributes)


def two_convs(seed: int = 0, kind: Any = np.int16, more: float = 0) -> onnx.ModelProto:
    """Two convolutions with a quantiser behind each; `more` is added to the first one's bias."""
    net = Wide(4, 10, 10, seed=seed, kind=kind)
    hidden = net.codes(net.add("Relu", net.conv(net.codes(net.x, 2.5), 4, 8, more, pads=[1, 1, 1, 1])), 3)
    net.codes(net.conv(hidden, 8, 6), 3)
    return net.proto()
