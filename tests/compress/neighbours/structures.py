# SPDX-License-Identifier: Apache-2.0
"""More places for trouble: shapes computed from shapes, several inputs, towers of sums, gates, pools and pads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import helper

from tests.compress.neighbours.draw import At, Draw
from tests.compress.neighbours.judge import Case


def computed_shape(d: Draw) -> None:
    """A batch that Shape gives."""
    y = d.bend(d.layer(d.input()))
    size = int(np.prod(y.shape))
    shape = d.add("Shape", y.name)
    if d.rng.random() < 0.5:
        first = d.axes("Unsqueeze", d.add("Gather", shape, d.const(0, np.int64)), [0], 13)
    elif d.opset < 10:
        first = d.add("Slice", shape, starts=[0], ends=[1], axes=[0])
    else:
        first = d.add("Slice", shape, d.whole(0), d.whole(1), d.whole(0))
    wanted = d.add("Concat", first, d.whole(d.pick(-1, size)), axis=0)
    d.outputs.append(d.dense(At(d.add("Reshape", y.name, wanted), (size,)), 4).name)


def three_inputs(d: Draw) -> None:
    """Inputs joined before anything else."""
    x = d.input()
    others = [d.input(x.shape), d.input(x.shape)]
    axis = d.some(1, len(x.shape))
    shape = [3 * size if k + 1 == axis else size for k, size in enumerate(x.shape)]
    joined = d.add("Concat", x.name, *(other.name for other in others), axis=axis)
    d.end(d.bend(d.layer(At(joined, tuple(shape)))))


def features_beside(d: Draw) -> None:
    """A few features that join what an image, a signal or a sequence became."""
    made, other = d.flat(d.bend(d.layer(d.input()))), d.input((5,))
    names = d.pick((made.name, other.name), (other.name, made.name))
    joined = At(d.add("Concat", *names, axis=1), (made.shape[0] + 5,))
    d.outputs.append(d.dense(At(d.add("Relu", d.dense(joined, 6).name), (6,)), 3).name)


def tower(d: Draw) -> None:
    """Sums of sums with few functions between them."""
    y = d.layer(d.input(), 4)
    for _ in range(2):
        z = d.layer(y, 4)
        if z.shape == y.shape:
            z = At(d.add("Add", *d.pick((z.name, y.name), (y.name, z.name))), y.shape)
        y = d.bend(z) if d.rng.random() < 0.6 else z
    d.end(y)


def gate(d: Draw) -> None:
    """Channels weighed by a function of their means."""
    y = d.bend(d.layer(d.input()))
    count = y.shape[0]
    mean = d.add("GlobalAveragePool", y.name)
    kernel = d.const(d.weight(count, count, *(1,) * (len(y.shape) - 1)))
    weights = d.add(
        d.pick("HardSigmoid", "Relu", "Sigmoid", "Tanh"), d.add("Conv", mean, kernel, d.const(d.normal(count)))
    )
    d.end(At(d.add("Mul", *d.pick((y.name, weights), (weights, y.name))), y.shape))


def pads_and_pools(d: Draw) -> None:
    """A Pad in front of a pool, the pool in front of a layer."""
    y = d.bend(d.layer(d.input()))
    pads = [0, 0, *(1,) * (len(y.shape) - 1)] * 2
    padded = d.add("Pad", y.name, pads=pads) if d.opset < 11 else d.add("Pad", y.name, d.whole(*pads))
    rank = len(y.shape) - 1
    name = d.add(d.pick("AveragePool", "MaxPool"), padded, kernel_shape=[3] * rank, strides=[2] * rank)
    d.end(d.bend(d.layer(At(name, (y.shape[0], *((size - 1) // 2 + 1 for size in y.shape[1:]))))))


def half_of_a_split(d: Draw) -> None:
    """A Split of which one part leads nowhere."""
    y = d.product(d.input(), 4)
    parts = {"split": [2, 2]} if d.opset < 13 else {}
    sizes = [] if parts else [d.whole(2, 2)]
    axis = len(y.shape)
    d.nodes.append(helper.make_node("Split", [y.name, *sizes], ["used", "unused"], name="Split", axis=axis, **parts))
    d.end(d.bend(At("used", (*y.shape[:-1], 2))))


def output_inside(d: Draw) -> None:
    """A tensor that leaves and is read on."""
    y = d.bend(d.layer(d.input()))
    d.outputs += [y.name, d.dense(d.flat(y), 4).name]


def image_or_signal(structure: Callable[[Draw], None]) -> Callable[[Draw], None]:
    """A structure with channels first."""

    def made(d: Draw) -> None:
        d.layout = d.pick("image", "signal")
        structure(d)

    return made


STRUCTURES: dict[str, Callable[[Draw], None]] = {
    "computed shape": computed_shape,
    "three inputs": three_inputs,
    "features beside": features_beside,
    "tower": tower,
    "gate": image_or_signal(gate),
    "pads and pools": image_or_signal(pads_and_pools),
    "half of a split": half_of_a_split,
    "output inside": output_inside,
}


def structure(seed: int, name: str) -> Case:
    """A network of a structure."""
    d = Draw(seed)
    STRUCTURES[name](d)
    return Case(d.model(), d.data())
