# SPDX-License-Identifier: Apache-2.0
"""One small TFLite network for every kind of operator, and what it means on real values, channels last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.tflite.files import Net, act

Array = NDArray[Any]
RNG = np.random.default_rng(7)
IMAGE = (1, 6, 5, 4)
S, Z = 0.5, -3
"""Scale and zero point of the inputs, and of what every operator makes."""


def codes(*shape: int, span: int = 9) -> Array:
    return RNG.integers(-span, span + 1, shape)


@dataclass(frozen=True, eq=False)
class Case:
    """The bytes of a file, and the function of its real inputs that its output quantises."""

    name: str
    data: bytes
    means: Callable[..., Array]
    inputs: tuple[tuple[int, ...], ...] = (IMAGE,)
    dtype: str = "int8"
    scale: float = S
    zero: int = Z

    def expected(self, *reals: Array) -> Array:
        """The codes of the output, exact for the scales of these tests."""
        info = np.iinfo(self.dtype)
        value = self.means(*(real.astype(np.float64) for real in reals))
        return np.clip(np.rint(value / self.scale) + self.zero, info.min, info.max).astype(self.dtype)


def padded(
    x: Array, kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int], fill: float
) -> Array:
    """An image with the pixels around it that SAME adds, the odd one at the end."""
    ends = []
    for size, k, s, d in zip(x.shape[1:3], kernel, strides, dilations, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        ends.append((total // 2, total - total // 2))
    return np.pad(x, ((0, 0), *ends, (0, 0)), constant_values=fill)


def windows(x: Array, kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int] = (1, 1)) -> Array:
    """(samples, rows, columns, kernel rows, kernel columns, channels)."""
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    view = view[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


def convolution(same: bool, strides: tuple[int, int], dilations: tuple[int, int], groups: int, fused: str) -> Case:
    weights, bias = codes(6, 3, 2, 4 // groups), codes(6, span=40)
    scales = 2.0 ** -RNG.integers(1, 4, 6)
    net = Net()
    x = net.input(IMAGE, scale=S, zero=Z)
    w = net.const(weights, "int8", scale=scales, zero=0, axis=0)
    b = net.const(bias, "int32", scale=scales * S, zero=0, axis=0)

    def means(real: Array) -> Array:
        image = padded(real, (3, 2), strides, dilations, 0.0) if same else real
        seen = windows(image, (3, 2), strides, dilations)
        parts = [
            np.einsum("nhwijc,oijc->nhwo", part, kernel)
            for part, kernel in zip(
                np.split(seen, groups, -1), np.split(weights * scales[:, None, None, None], groups), strict=True
            )
        ]
        return activated(np.concatenate(parts, -1) + bias * scales * S, fused)

    shape = means(np.zeros(IMAGE)).shape
    down, across = ("i", strides[0]), ("i", strides[1])
    net.add(
        "CONV_2D",
        [x, w, b],
        shape,
        scale=S,
        zero=Z,
        _0=("b", 1 - same),
        _1=across,
        _2=down,
        _3=act(fused),
        _4=("i", dilations[1]),
        _5=("i", dilations[0]),
    )
    return Case(f"conv {same} {strides} {dilations} {groups} {fused}", net.bytes(), means)


def activated(x: Array, fused: str) -> Array:
    return {
        "NONE": lambda: x,
        "RELU": lambda: np.maximum(x, 0),
        "RELU6": lambda: np.clip(x, 0, 6),
        "RELU_N1_TO_1": lambda: np.clip(x, -1, 1),
    }[fused]()


def depthwise(multiplier: int, same: bool, strides: tuple[int, int]) -> Case:
    weights = codes(1, 3, 3, 4 * multiplier)
    scales = 2.0 ** -RNG.integers(1, 4, 4 * multiplier)
    net = Net()
    x = net.input(IMAGE, scale=S, zero=Z)
    w = net.const(weights, "int8", scale=scales, zero=0, axis=3)

    def means(real: Array) -> Array:
        image = padded(real, (3, 3), strides, (1, 1), 0.0) if same else real
        seen = np.repeat(windows(image, (3, 3), strides), multiplier, axis=-1)
        return (seen * (weights[0] * scales)).sum((3, 4))

    net.add(
        "DEPTHWISE_CONV_2D",
        [x, w],
        means(np.zeros(IMAGE)).shape,
        scale=S,
        zero=Z,
        _0=("b", 1 - same),
        _1=("i", strides[1]),
        _2=("i", strides[0]),
        _3=("i", multiplier),
    )
    return Case(f"depthwise {multiplier} {same} {strides}", net.bytes(), means)


def transposed(same: bool, strides: tuple[int, int]) -> Case:
    weights = codes(3, 3, 2, 4)
    size = [n * s if same else (n - 1) * s + k for n, s, k in zip(IMAGE[1:3], strides, (3, 2), strict=True)]
    net = Net()
    x = net.input(IMAGE, scale=S, zero=Z)
    w = net.const(weights, "int8", scale=0.25, zero=0)
    shape = (1, *size, 3)

    def means(real: Array) -> Array:
        n = len(real)
        whole = np.zeros((n, (IMAGE[1] - 1) * strides[0] + 3, (IMAGE[2] - 1) * strides[1] + 2, 3))
        for i in range(IMAGE[1]):
            for j in range(IMAGE[2]):
                part = np.einsum("nc,oijc->nijo", real[:, i, j], weights * 0.25)
                whole[:, i * strides[0] : i * strides[0] + 3, j * strides[1] : j * strides[1] + 2] += part
        top, left = (max(whole.shape[a + 1] - size[a], 0) // 2 for a in (0, 1))
        short = [max(size[a] + (top, left)[a] - whole.shape[a + 1], 0) for a in (0, 1)]
        whole = np.pad(whole, ((0, 0), (0, short[0]), (0, short[1]), (0, 0)))
        return whole[:, top : top + size[0], left : left + size[1]]

    net.add(
        "TRANSPOSE_CONV",
        [net.const(shape), w, x],
        shape,
        scale=S,
        zero=Z,
        _0=("b", 1 - same),
        _1=("i", strides[1]),
        _2=("i", strides[0]),
    )
    return Case(f"transposed {same} {strides}", net.bytes(), means)


def pool(op: str, same: bool, dtype: str) -> Case:
    net = Net()
    zero = 0 if dtype == "int16" else 100 if dtype == "uint8" else Z
    x = net.input(IMAGE, dtype, S, zero)

    def means(real: Array) -> Array:
        fill = np.nan
        seen = windows(padded(real, (2, 3), (2, 2), (1, 1), fill) if same else real, (2, 3), (2, 2))
        return (np.nanmean if op == "AVERAGE_POOL_2D" else np.nanmax)(seen, axis=(3, 4))

    net.add(
        op,
        [x],
        means(np.zeros(IMAGE)).shape,
        dtype,
        S,
        zero,
        _0=("b", 1 - same),
        _1=("i", 2),
        _2=("i", 2),
        _3=("i", 3),
        _4=("i", 2),
    )
    return Case(f"{op} {same} {dtype}", net.bytes(), means, dtype=dtype, zero=zero)


def dense(flat: bool, dtype: str = "int8") -> Case:
    weights, bias = codes(5, 120 if flat else 4), codes(5, span=60)
    zero = 0 if dtype == "int16" else Z
    net = Net()
    x = net.input(IMAGE, dtype, S, zero)
    w = net.const(weights, "int8", scale=0.25, zero=0)
    b = net.const(bias, "int64" if dtype == "int16" else "int32", scale=S * 0.25, zero=0)
    shape = (1, 5) if flat else (1, 6, 5, 5)
    net.add("FULLY_CONNECTED", [x, w, b], shape, dtype, 2.0, zero, _0=act("RELU"), _2=("?", not flat))

    def means(real: Array) -> Array:
        rows = real.reshape(len(real), 120) if flat else real
        return np.maximum(rows @ (weights.T * 0.25) + bias * S * 0.25, 0)

    return Case(f"dense {flat} {dtype}", net.bytes(), means, dtype=dtype, scale=2.0, zero=zero)


def binary(op: str, means: Callable[..., Array], fused: str, dtype: str = "int8") -> Case:
    net = Net()
    zero = 0 if dtype == "int16" else Z
    x, y = net.input(IMAGE, dtype, S, zero), net.input(IMAGE, dtype, 0.25, 0)
    net.add(op, [x, y], IMAGE, dtype, 1.0, zero, _0=act(fused))
    return Case(
        f"{op} {fused} {dtype}",
        net.bytes(),
        lambda a, b: activated(means(a, b), fused),
        (IMAGE, IMAGE),
        dtype,
        1.0,
        zero,
    )


def constant(op: str, means: Callable[..., Array]) -> Case:
    value = codes(4)
    net = Net()
    x = net.input(IMAGE, scale=S, zero=Z)
    net.add(op, [x, net.const(value, "int8", scale=0.25, zero=0)], IMAGE, scale=S, zero=Z)
    return Case(f"{op} a constant", net.bytes(), lambda a: means(a, value * 0.25))


def unary(op: str, means: Callable[[Array], Array], shape: tuple[int, ...] = IMAGE, *more: Any, **options: Any) -> Case:
    net = Net()
    x = net.input(IMAGE, scale=S, zero=Z)
    constants = [net.const(value) for value in more]
    net.add(op, [x, *constants], shape, scale=S, zero=Z, **options)
    return Case(f"{op} {shape}", net.bytes(), means)


def layout(op: str, means: Callable[[Array], Array], shape: tuple[int, ...], *more: Any, **options: Any) -> Case:
    """An operator that only moves, behind one that computes."""
    net = Net()
    x = net.add("ABS", [net.input(IMAGE, scale=S, zero=Z)], IMAGE, scale=S, zero=Z)
    constants = [net.const(value) for value in more]
    net.add(op, [x, *constants], shape, scale=S, zero=Z, **options)
    return Case(f"{op} {shape}", net.bytes(), lambda x: means(np.abs(x)))


def reduction(op: str, means: Callable[..., Array], axes: tuple[int, ...], keep: bool) -> Case:
    shape = means(np.zeros(IMAGE), axis=axes, keepdims=keep).shape
    return unary(op, lambda x: means(x, axis=axes, keepdims=keep), shape, axes, _0=("?", keep))


def joined(scale: float, fused: str = "NONE") -> Case:
    net = Net()
    x, y = net.input(IMAGE, scale=S, zero=Z), net.input(IMAGE, scale=scale, zero=Z)
    shape = (1, 6, 5, 8)
    net.add("CONCATENATION", [x, y], shape, scale=S, zero=Z, _0=("i", -1), _1=act(fused))
    return Case(
        f"joined {scale} {fused}",
        net.bytes(),
        lambda a, b: activated(np.concatenate((a, b), -1), fused),
        (IMAGE, IMAGE),
    )


def resized(mode: str, aligned: bool, centred: bool) -> Case:
    """To twice the size: only what a repetition says."""
    net = Net()
    x = net.add("ABS", [net.input(IMAGE, scale=S, zero=Z)], IMAGE, scale=S, zero=Z)
    first = 2 if mode == "BILINEAR" else 0
    options = {f"_{first}": ("?", aligned), f"_{first + 1}": ("?", centred)}
    name = f"RESIZE_{mode}"
    net.add(name, [x, net.const([12, 10])], (1, 12, 10, 4), scale=S, zero=Z, **options)
    return Case(f"{name} {aligned} {centred}", net.bytes(), lambda a: np.abs(a).repeat(2, 1).repeat(2, 2))


def to_depth() -> Case:
    shape = (1, 6, 4, 3)
    net = Net()
    x = net.add("ABS", [net.input(shape, scale=S, zero=Z)], shape, scale=S, zero=Z)
    net.add("SPACE_TO_DEPTH", [x], (1, 3, 2, 12), scale=S, zero=Z, _0=("i", 2))

    def means(real: Array) -> Array:
        blocks = abs(real).reshape(-1, 3, 2, 2, 2, 3)
        return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(-1, 3, 2, 12)

    return Case("to depth", net.bytes(), means, (shape,))


def total() -> Case:
    net = Net()
    inputs = [net.input(IMAGE, scale=S, zero=Z) for _ in range(3)]
    net.add("ADD_N", inputs, IMAGE, scale=1.0, zero=Z)
    return Case("total", net.bytes(), lambda a, b, c: a + b + c, (IMAGE,) * 3, scale=1.0)


def requantised() -> Case:
    net = Net()
    x = net.input(IMAGE, scale=S, zero=Z)
    net.add("QUANTIZE", [x], IMAGE, "uint8", 0.75, 90)
    return Case("requantised", net.bytes(), lambda a: a, dtype="uint8", scale=0.75, zero=90)


def cases() -> list[Case]:
    """One of each kind."""
    one, two = (1, 1), (2, 2)
    return [
        convolution(True, one, one, 1, "RELU"),
        convolution(True, (2, 1), one, 1, "RELU6"),
        convolution(False, (1, 2), one, 1, "NONE"),
        convolution(True, one, two, 1, "RELU_N1_TO_1"),
        convolution(True, two, one, 2, "NONE"),
        depthwise(1, True, two),
        depthwise(2, False, one),
        transposed(True, two),
        transposed(False, (2, 1)),
        *(
            pool(op, same, dtype)
            for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
            for same in (True, False)
            for dtype in ("int8", "uint8", "int16")
        ),
        dense(True),
        dense(False),
        dense(True, "int16"),
        binary("ADD", np.add, "NONE"),
        binary("ADD", np.add, "RELU", "int16"),
        binary("SUB", np.subtract, "RELU6"),
        binary("MUL", np.multiply, "NONE"),
        constant("ADD", np.add),
        constant("MUL", np.multiply),
        constant("MAXIMUM", np.maximum),
        reduction("MEAN", np.mean, (1, 2), False),
        reduction("MEAN", np.mean, (1, 2), True),
        reduction("SUM", np.sum, (3,), True),
        reduction("REDUCE_MAX", np.max, (1, 2), False),
        unary("RELU", lambda x: np.maximum(x, 0)),
        unary("ABS", np.abs),
        unary("LEAKY_RELU", lambda x: np.where(x < 0, x * 0.25, x), _0=("f", 0.25)),
        unary("LOGISTIC", lambda x: 1 / (1 + np.exp(-x))),
        layout("HARD_SWISH", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), IMAGE),
        layout("ELU", lambda x: np.where(x < 0, np.expm1(x), x), IMAGE),
        layout("RESHAPE", lambda x: x.reshape(-1, 30, 4), (1, 30, 4), [-1, 30, 4]),
        layout("TRANSPOSE", lambda x: x.transpose(0, 2, 1, 3), (1, 5, 6, 4), [0, 2, 1, 3]),
        unary(
            "PAD", lambda x: np.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0))), (1, 9, 6, 4), [[0, 0], [1, 2], [0, 1], [0, 0]]
        ),
        layout("SLICE", lambda x: x[:, 1:5, 2:], (1, 4, 3, 4), [0, 1, 2, 0], [-1, 4, -1, -1]),
        layout(
            "STRIDED_SLICE",
            lambda x: x[:, 1::2, :-1, 0],
            (1, 3, 4),
            [0, 1, 3, 0],
            [1, 6, -1, 1],
            [1, 2, 1, 1],
            _0=("i", 4),
            _1=("i", 2),
            _4=("i", 8),
        ),
        layout(
            "DEPTH_TO_SPACE",
            lambda x: x.reshape(-1, 6, 5, 2, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 12, 10, 1),
            (1, 12, 10, 1),
            _0=("i", 2),
        ),
        to_depth(),
        total(),
        joined(S),
        joined(0.25),
        joined(0.25, "RELU6"),
        resized("NEAREST_NEIGHBOR", False, False),
        resized("NEAREST_NEIGHBOR", False, True),
        requantised(),
    ]
