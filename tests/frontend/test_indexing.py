# SPDX-License-Identifier: Apache-2.0
"""Slices, splits, gathers, pads, nearest resizes and depth to space, on chip and on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.layers import Gather
from tests.frontend.nets import Net, agree, grid, only, ops, outputs_of
from tests.frontend.refusing import BATCH, axes, refusal

Step = Callable[[Net, str], str]


def ints(net: Net, *values: int) -> str:
    return net.const(values, np.int64)


def sliced(net: Net, x: str, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> str:
    return net.add("Slice", x, *(ints(net, *row) for row in (starts, ends, axes, steps)))


STEPS: dict[str, Step] = {
    "channels": lambda n, x: sliced(n, x, [1], [3], [1], [1]),
    "rows": lambda n, x: sliced(n, x, [-3], [2147483647], [-2], [1]),
    "every other, backwards": lambda n, x: sliced(n, x, [-1, 0], [-1000, 4], [3, 2], [-1, 2]),
    "no steps": lambda n, x: n.add("Slice", x, ints(n, 1), ints(n, 3), ints(n, 2)),
    "no axes": lambda n, x: n.add("Slice", x, ints(n, 0, 1), ints(n, 2**31 - 1, 3)),
    "gathered channels": lambda n, x: n.add("Gather", x, ints(n, 2, 0, 0, -1), axis=1),
    "gathered columns": lambda n, x: n.add("Gather", x, n.const([[0, 3], [2, 1]], np.int64), axis=3),
    "depth to space": lambda n, x: n.add("DepthToSpace", x, blocksize=2),
    "depth to space, by column": lambda n, x: n.add("DepthToSpace", x, blocksize=2, mode="CRD"),
    "resize by scales": lambda n, x: n.add(
        "Resize", x, "", n.const([1.0, 1.0, 2.0, 3.0]), mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    ),
    "resize by sizes": lambda n, x: n.add(
        "Resize", x, "", "", ints(n, 1, 4, 8, 4), mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("place", ["input", "codes", "accumulators", "output"])
def test_elements_that_are_picked_or_repeated(place: str, name: str) -> None:
    net = Net(4, 4, 4)
    kernel = net.weights(grid(4, 4, 1, 1, span=3), 0.5, 4.0)
    match place:
        case "input":
            net.quant(net.quant(STEPS[name](net, net.x), 0.25, 1.0, bits=6.0), 0.75, bits=5.0)
        case "codes":
            net.quant(STEPS[name](net, net.quant(net.quant(net.x, 0.25), 0.5, 1.0, bits=6.0)), 0.75, bits=5.0)
        case "accumulators":
            y = net.add("Conv", net.quant(net.x, 0.25, 1.0, bits=5.0), kernel, net.const([0.1, 0.2, -3.0, 0.0]))
            net.quant(STEPS[name](net, y), 0.75, bits=6.0)
        case _:
            STEPS[name](net, net.quant(net.quant(net.x, 0.25), 0.75, bits=5.0))
    agree(net, grid(1 if "resize" in name else 4, 4, 4, 4))  # the oracle resizes slowly


@pytest.mark.parametrize("name", STEPS)
def test_what_was_picked_feeds_a_convolution(name: str) -> None:
    net = Net(4, 4, 4)
    y = STEPS[name](net, net.quant(net.quant(net.x, 0.25), 0.5, bits=5.0))
    if "gathered columns" in name:  # rank 5
        y = net.add("Reshape", y, ints(net, 0, 4, 4, 4))
    flat = net.add("GlobalAveragePool", y)
    net.quant(flat, 0.0625, bits=8.0)
    agree(net, grid(1 if "resize" in name else 4, 4, 4, 4))  # the oracle resizes slowly


@pytest.mark.parametrize("sizes", [None, (1, 3)])
def test_splits(sizes: tuple[int, ...] | None) -> None:
    net = Net(4, 3, 3)
    x = net.quant(net.quant(net.x, 0.25), 0.5, bits=6.0)
    more = () if sizes is None else (ints(net, *sizes),)
    first = net.add("Split", x, *more, outputs=2, axis=1)
    kernel = net.weights(grid(2, 2 if sizes is None else 3, 2, 2, span=3))
    y = net.add("Conv", first.replace(".0", ".1"), kernel)
    agree(net, grid(4, 4, 3, 3), outputs=(first, y))


def test_a_slice_of_the_channels_keeps_their_own_constants() -> None:
    net = Net(4, 3, 3)
    x = net.quant(net.quant(net.x, 0.25), np.reshape([0.5, 0.25, 1.0, 0.75], (1, 4, 1, 1)), bits=6.0)
    part = sliced(net, x, [1], [3], [1], [1])
    net.quant(net.add("Mul", part, net.const([[[0.5]], [[-2.0]]])), 0.3, bits=5.0)
    agree(net, grid(4, 4, 3, 3))


def test_two_slices_are_added() -> None:
    net = Net(4, 3, 3)
    x = net.quant(net.x, 0.25, bits=6.0)
    parts = [sliced(net, x, [i], [i + 2], [1], [1]) for i in (0, 1)]
    net.quant(net.add("Add", *parts), 0.75, bits=6.0)
    agree(net, grid(4, 4, 3, 3))


@pytest.mark.parametrize("pads", [[0, 0, 1, 2, 0, 0, 0, 1], [0, 1, 0, 0, 0, 2, 0, 0], [0] * 8])
@pytest.mark.parametrize("value", [None, 0.0, 1.5, -64.0])
def test_pads(pads: list[int], value: float | None) -> None:
    net = Net(2, 3, 4)
    x = net.quant(net.quant(net.x, 0.125, bits=12.0), 0.5, 1.0, bits=5.0)
    more = () if value is None else (net.const(value),)
    padded = net.add("Pad", x, ints(net, *pads), *more)
    net.quant(padded, 0.5, bits=9.0)
    graph = agree(net, grid(4, 2, 3, 4))
    if any(pads):
        assert only(graph, Gather).fill == (0 if value is None else int(value / 0.5)) + 1


@pytest.mark.parametrize("mode", ["constant", "edge"])
@pytest.mark.parametrize("widths", [[0, 0, -1, -1, 0, 0, 0, -2], [0, -1, 0, 2, 0, 0, -1, -1]])
def test_negative_pads_take_away(widths: list[int], mode: str) -> None:
    """As a slice and the pads that are left do."""
    made = []
    for at_once in (True, False):
        net = Net(2, 3, 5)
        x = net.quant(net.x, 0.25, bits=6.0)
        if not at_once:
            starts, ends = ([max(-w, 0) for w in half] for half in (widths[:4], widths[4:]))
            ends = [n - cut for n, cut in zip((2**31 - 1, 2, 3, 5), ends, strict=True)]
            x = net.add("Slice", x, ints(net, *starts), ints(net, *ends))
        pads = widths if at_once else [max(w, 0) for w in widths]
        net.quant(net.add("Pad", x, ints(net, *pads), mode=mode), 0.5, bits=6.0)
        made.append(outputs_of(load_onnx(net.proto()), grid(4, 2, 3, 5, span=8))[0])
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
@pytest.mark.parametrize("seed", range(5))
def test_pads_that_continue_a_tensor(mode: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = ((2, 5, 6), (3, 7))[seed % 2]
    net = Net(*shape, opset=19)
    x = net.quant(net.quant(net.x, 0.25), 0.5, float(rng.integers(3)), bits=5.0)
    widths = [[0, int(rng.integers(2)), *rng.integers(0, 4, len(shape) - 1).tolist()] for _ in range(2)]
    padded = net.add("Pad", net.add("Relu", x) if seed % 3 else x, ints(net, *widths[0], *widths[1]), mode=mode)
    channels = shape[0] + widths[0][1] + widths[1][1]
    kernel = net.weights(rng.integers(-3, 4, (4, channels, *[3] * (len(shape) - 1))).astype(float))
    net.quant(net.add("Conv", padded, kernel), 2.0, bits=6.0)
    agree(net, grid(4, *shape, seed=seed))


def test_pads_of_some_axes_and_as_attributes() -> None:
    net = Net(2, 3, 4, opset=18)
    x = net.quant(net.quant(net.x, 0.25), 0.5, bits=5.0)
    net.quant(net.add("Pad", x, ints(net, 1, 0, 0, 2), "", ints(net, -1, 2)), 0.5, bits=6.0)
    agree(net, grid(4, 2, 3, 4))
    old = Net(2, 3, 4, opset=9)
    x = old.quant(old.quant(old.x, 0.25), 0.5, bits=5.0)
    old.quant(old.add("Pad", x, pads=[0, 0, 1, 0, 0, 0, 0, 2], value=1.5), 0.5, bits=6.0)
    agree(old, grid(4, 2, 3, 4))


def test_pads_of_a_tensor_that_is_zero_everywhere() -> None:
    net = Net(2, 3, 4)
    x = net.add("Mul", net.quant(net.x, 0.25, bits=5.0), net.const(0.0))
    net.quant(net.add("Pad", x, ints(net, 0, 0, 1, 0, 0, 0, 0, 2)), 0.5, bits=6.0)
    agree(net, grid(4, 2, 3, 4))


def test_padding_before_a_convolution() -> None:
    net = Net(2, 4, 4)
    x = net.quant(net.quant(net.x, 0.25), 0.5, 3.0, bits=5.0)
    y = net.add("Conv", net.add("Pad", x, ints(net, 0, 0, 1, 1, 0, 0, 0, 1)), net.weights(grid(3, 2, 3, 3, span=3)))
    net.quant(y, 2.0, bits=6.0)
    assert ops(agree(net, grid(4, 2, 4, 4))) == ["requantise", "gather", "conv", "requantise"]


def test_upsample_of_old_files() -> None:
    for opset in (7, 9):
        net = Net(2, 3, 3, opset=opset)
        x = net.quant(net.quant(net.x, 0.25), 0.5, bits=5.0)
        if opset == 7:
            y = net.add("Upsample", x, scales=[1.0, 1.0, 2.0, 2.0], mode="nearest")
        else:
            y = net.add("Upsample", x, net.const([1.0, 1.0, 2.0, 2.0]), mode="nearest")
        net.quant(y, 0.75, bits=5.0)
        samples = grid(2, 2, 3, 3)
        base = Net(2, 3, 3)
        base.quant(base.quant(base.quant(base.x, 0.25), 0.5, bits=5.0), 0.75, bits=5.0)
        small = outputs_of(load_onnx(base.proto()), samples)[0]
        wanted = small.repeat(2, axis=2).repeat(2, axis=3)
        np.testing.assert_array_equal(outputs_of(load_onnx(net.proto()), samples)[0], wanted)


def test_space_to_depth() -> None:
    net = Net(3, 4, 6)
    y = net.add("SpaceToDepth", net.quant(net.x, 0.25, bits=6.0), blocksize=2)
    net.quant(net.add("Conv", y, net.weights(grid(2, 12, 2, 2, step=1.0, span=7), 0.5)), 1.5)
    agree(net, grid(4, 3, 4, 6, span=8))


@pytest.mark.parametrize("batch", ["N", 3])
@pytest.mark.parametrize("ends", ["slice", "gather", "join", "cast"])
def test_a_slice_up_to_the_number_of_samples_is_all(ends: str, batch: int | str) -> None:
    net = Net(3, 8, batch=batch)
    x = net.quant(net.x, 0.25, bits=6.0)
    size = net.add("Shape", x)
    first = net.add("Gather", size, axes(net, 0))
    starts, along = (axes(net, 0), axes(net, 0)) if ends in ("slice", "gather") else (axes(net, 0, 0), axes(net, 0, 1))
    end = {
        "slice": lambda: net.add("Slice", size, axes(net, 0), axes(net, 1)),
        "gather": lambda: first,
        "join": lambda: net.add("Concat", first, axes(net, 2), axis=0),
        "cast": lambda: net.add("Slice", net.add("Cast", size, to=7), axes(net, 0), axes(net, 2)),
    }[ends]()
    net.quant(net.add("Slice", x, starts, end, along), 0.5)
    agree(net, grid(3, 3, 8, span=8))


def test_a_slice_up_to_another_number_that_is_computed_is_refused() -> None:
    """Half of the samples, and as many as there are channels, which happens to be what one sample is counted as."""
    for half in (True, False):
        net = Net(1, 8)
        x = net.quant(net.x, 0.25, bits=6.0)
        end = net.add("Gather", net.add("Shape", x), axes(net, 0 if half else 1))
        end = net.add("Div", net.add("Add", end, axes(net, 1)), axes(net, 2)) if half else end
        net.quant(net.add("Slice", x, axes(net, 0), end, axes(net, 0)), 0.5)
        name = net.nodes[-2].name
        assert refusal(net.proto()) == "model: node '{}' (Slice): {}\n  hint: {}".format(name, *BATCH)


LOWEST = (float("-inf"), float(np.finfo(np.float32).min))


@pytest.mark.parametrize("value", LOWEST)
@pytest.mark.parametrize("falls", [False, True])
def test_padding_with_the_lowest_number_before_a_max_pool(falls: bool, value: float) -> None:
    net = Net(3, 5, 6)
    x = net.quant(net.x, 0.25, 3.0, bits=6.0, signed=0)
    x = net.add("Neg", x) if falls else x
    y = net.add("Pad", x, axes(net, 0, 0, 1, 2, 0, 0, 2, 1), net.const(value))
    net.quant(net.add("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2]), 0.5)
    agree(net, grid(4, 3, 5, 6, span=8))


@pytest.mark.parametrize("broken", ["a window of padding alone", "a convolution", "channels"])
def test_padding_with_the_lowest_number_that_is_seen_is_refused(broken: str) -> None:
    net = Net(3, 5, 6)
    x = net.quant(net.x, 0.25, bits=6.0)
    wide = 3 if broken.startswith("a window") else 1
    pads = axes(net, 0, broken == "channels", wide, 1, 0, 0, 1, 1)
    y = net.add("Pad", x, pads, net.const(float("-inf")))
    w = net.weights(grid(2, 3, 2, 2, step=1.0, span=7), 0.5)
    net.quant(net.add("Conv", y, w) if "conv" in broken else net.add("MaxPool", y, kernel_shape=[3, 3]), 0.5)
    assert refusal(net.proto()) == (
        "model: node 'pad1' (Pad): pads with a number below all others\n"
        "  hint: only what max-pools read can be padded so"
    )


WINDOWS: dict[str, tuple[int, dict[str, Any]]] = {
    "padded by itself": (2, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "of taps further apart than the image": (1, {"kernel_shape": [2, 2], "dilations": [5, 5]}),
    "one more at the end": (2, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_of_lowest_numbers_alone_are_refused_however_they_come_about(name: str) -> None:
    net = Net(1, 4, 4)
    wide, attributes = WINDOWS[name]
    y = net.add("Pad", net.quant(net.x, 0.25), axes(net, 0, 0, wide, wide, 0, 0, wide, wide), net.const(LOWEST[1]))
    net.quant(net.add("MaxPool", y, **attributes), 0.5)
    assert refusal(net.proto()).startswith("model: node 'pad1' (Pad): pads with a number below all others\n")


def test_padding_as_wide_as_a_kernel_whose_windows_all_meet_the_image() -> None:
    net = Net(1, 4, 4)
    y = net.add("Pad", net.quant(net.x, 0.25), axes(net, 0, 0, 2, 2, 0, 0, 2, 2), net.const(LOWEST[1]))
    net.quant(net.add("MaxPool", y, kernel_shape=[2, 2], dilations=[3, 3]), 0.5)
    agree(net, grid(4, 1, 4, 4, span=8))
