# SPDX-License-Identifier: Apache-2.0
"""The kinds of trouble, each drawn around: where it stands in the network, its shapes, its opset, its spelling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from onnx import helper

from tests.compress.neighbours.draw import Array, At, Draw
from tests.compress.neighbours.judge import Case
from tests.compress.neighbours.structures import STRUCTURES, structure


def body(d: Draw, x: At, *, special: Callable[[Draw, At], At] = lambda d, x: x, least: int = 1) -> At:
    """One to three layers with functions behind them, and something special between two of them."""
    count = d.some(least, 3)
    place = d.some(0, count)
    for k in range(count + 1):
        if k == place:
            x = special(d, x)
        if k < count:
            x = d.bend(d.layer(x))
    return x


def statistics(seed: int) -> Case:
    """BatchNormalization with stored statistics, in old opsets too."""
    d = Draw(seed, layout=str(np.random.default_rng(seed).choice(["image", "signal", "features"])))
    x = d.input()
    if d.layout == "features" and d.opset < 9:
        d.opset = 9
    x = d.norm(x) if d.rng.random() < 0.2 else x
    for _ in range(d.some(1, 2)):
        x = d.bend(d.norm(d.layer(x)))
    if d.rng.random() < 0.3:
        x = d.norm(x)
    d.end(x)
    return Case(d.model(), d.data())


def joins(seed: int) -> Case:
    """Inputs that nothing quantised join what layers made: sums, products, Concat over any axis, in any order."""
    d = Draw(seed, opsets=(9, 22))
    x = d.input()
    other = d.input(x.shape) if d.rng.random() < 0.4 else x
    made = d.layer(x, x.shape[0] if d.layout in ("image", "signal") else x.shape[-1])
    made = d.bend(made) if d.rng.random() < 0.7 else made
    if made.shape == x.shape and d.rng.random() < 0.6:
        op = d.pick("Add", "Concat", "Mul", "Sub")
    else:
        op = "Concat"
        if made.shape != x.shape:
            made, other = d.flat(made), At(d.add("Flatten", other.name), (int(np.prod(other.shape)),))
    names = [made.name, other.name] if d.rng.random() < 0.5 else [other.name, made.name]
    if op == "Concat":
        axis = d.some(0, len(made.shape) - 1)
        shape = list(made.shape)
        shape[axis] += other.shape[axis]
        joined = At(d.add("Concat", *names, axis=axis + 1), tuple(shape))
    else:
        joined = At(d.add(op, *names), made.shape)
    d.end(joined if d.rng.random() < 0.3 else d.bend(d.layer(joined)))
    return Case(d.model(), d.data())


def sequences(seed: int) -> Case:
    """Matrices of the shape [1, K, M], biases of [1, 1, M], on sequences of rank three and four."""
    d = Draw(seed, layout="sequence")
    shape = d.usual()
    x = d.input(shape if d.rng.random() < 0.7 else (d.some(2, 3), *shape))
    for _ in range(d.some(1, 3)):
        outputs = d.some(3, 9)
        ones = (1,) * d.some(0, len(x.shape) - 1)
        matrix = d.weight(outputs, x.shape[-1]).T * d.rng.choice([0.25, 1, 4], outputs)
        made = d.add("MatMul", x.name, d.const(matrix.reshape(*ones, *matrix.shape), np.float32))
        pair = [made, d.const(d.normal(*(1,) * d.some(0, len(x.shape)), outputs, spread=0.3))]
        made = d.add("Add", *(pair if d.rng.random() < 0.5 else pair[::-1]))
        x = At(d.add("Relu", made) if d.rng.random() < 0.6 else made, (*x.shape[:-1], outputs))
    if d.rng.random() < 0.3:
        mean = d.axes("ReduceMean", x.name, [1], 18, keepdims=0)
        x = At(mean, x.shape[1:])
    d.outputs.append(x.name)
    return Case(d.model(), d.data())


def batches(seed: int) -> Case:
    """Networks that hold the batch of their export in shapes, declared free, one, or several."""
    d = Draw(seed, opsets=(7, 22))
    d.batch = d.pick("N", "N", 1, d.some(2, 8))
    held = 1 if d.batch == "N" else int(d.batch)
    x = d.input()
    rows = int(x.shape[0])

    def special(d: Draw, x: At) -> At:
        size = int(np.prod(x.shape))
        match d.some(0, 5 if len(x.shape) > 1 else 1):
            case 0:
                return At(d.add("Reshape", x.name, d.whole(held, size)), (size,))
            case 1:
                return At(d.add("Reshape", x.name, d.whole(held, -1)), (size,))
            case 2:
                return At(d.add("Reshape", x.name, d.whole(held, *x.shape)), x.shape)
            case 3:  # positions beside the samples, and back
                folded = d.add("Reshape", x.name, d.whole(-1, x.shape[-1]))
                made = d.product(At(folded, x.shape[-1:]), 5)
                return At(d.add("Reshape", made.name, d.whole(held, *x.shape[:-1], 5)), (*x.shape[:-1], 5))
            case 4:
                return At(d.add("Reshape", x.name, d.whole(held, x.shape[0], -1)), (x.shape[0], size // x.shape[0]))
            case _:
                turned = d.add("Transpose", x.name, perm=[0, len(x.shape), *range(1, len(x.shape))])
                return At(d.add("Reshape", turned, d.whole(held, size)), (size,))

    x = d.bend(d.layer(x))
    x = special(d, x)
    if len(x.shape) == 1 or d.rng.random() < 0.5:
        d.end(d.flat(x))
    else:
        d.outputs.append(d.dense(special(d, d.flat(x)), 4).name)
    assert rows
    d.samples = 24
    return Case(d.model(), d.data())


def leftovers(seed: int) -> Case:
    """Nodes, constants and inputs from which no output can be reached, whatever they are."""
    d = Draw(seed)
    x = d.input()
    places: list[At] = [x]

    def dead(d: Draw, x: At) -> At:
        for _ in range(d.some(1, 3)):
            at = places[d.some(0, len(places) - 1)]
            match d.some(0, 6):
                case 0:
                    d.add("NonZero", at.name)
                case 1:
                    d.add("Softmax", d.add("Exp", at.name), axis=1)
                case 2:
                    d.add("Add", at.name, d.const(np.full(at.shape[-1], np.nan), np.float32))
                case 3:
                    d.nodes.append(helper.make_node("Unheard", [at.name], [f"own{len(d.nodes)}"], domain="made.up"))
                case 4:
                    d.add("Det", d.add("MatMul", at.name, at.name))
                case 5:
                    d.const(np.full(3, np.inf), np.float32)
                case _:
                    d.add("Det", d.add("Dropout", at.name))
        return x

    for _ in range(d.some(1, 2)):
        x = dead(d, d.bend(d.layer(x)))
        places.append(x)
    d.end(x)
    return Case(d.model(), d.data())


def computed(d: Draw, array: Array) -> str:
    """Weights that operators make of constants."""
    others = list(range(1, array.ndim))
    name = d.const(array)
    match d.some(0, 6):
        case 0:
            length = d.axes("ReduceL2", name, others, 18, keepdims=1)
            gain = d.const(1 + d.rng.random((len(array), *(1,) * len(others))), np.float32)
            return d.add("Mul", d.add("Div", name, length), gain)
        case 1:
            centred = d.add("Sub", name, d.axes("ReduceMean", name, others, 18, keepdims=1))
            square = d.axes("ReduceMean", d.add("Mul", centred, centred), others, 18, keepdims=1)
            return d.add("Div", centred, d.add("Sqrt", d.add("Add", square, d.const(1e-3, np.float32))))
        case 2:
            perm = d.rng.permutation(array.ndim)
            turned = d.const(array.transpose(perm).copy())
            return d.add("Transpose", turned, perm=[int(k) for k in np.argsort(perm)])
        case 3:
            return d.add("Cast", d.const(array, np.float16), to=1)
        case 4:
            cut = max(len(array) // 2, 1)
            return d.add("Concat", d.const(array[:cut]), d.const(array[cut:]), axis=0)
        case 5:
            return d.add("Identity", d.add("Mul", name, d.const(0.5, np.float32)))
        case _:
            exponent = d.const(2, np.float32)
            size = d.add("Sqrt", d.axes("ReduceSum", d.add("Pow", name, exponent), others, 13, keepdims=1))
            return d.add("Div", name, size)


def folded(seed: int) -> Case:
    """Weights that operators make of constants: normalised, standardised, turned, cut, joined, converted."""
    d = Draw(seed, opsets=(9, 22))
    x = d.input()

    for _ in range(d.some(1, 2)):
        outputs = d.some(3, 6)
        if d.layout in ("image", "signal") and len(x.shape) > 1:
            kernel = computed(d, d.weight(outputs, x.shape[0], *(3,) * (len(x.shape) - 1)))
            made = d.add("Conv", x.name, kernel, pads=[1, 1] * (len(x.shape) - 1))
            x = At(made, (outputs, *x.shape[1:]))
        else:
            turned = d.add("Transpose", computed(d, d.weight(outputs, x.shape[-1])), perm=[1, 0])
            x = At(d.add("MatMul", x.name, turned), (*x.shape[:-1], outputs))
        x = d.bend(x)
    d.end(x)
    return Case(d.model(), d.data())


def between(seed: int) -> Case:
    """What has no integer meaning, between two layers: refused by the node."""
    d = Draw(seed, opsets=(7, 22))
    x = d.bend(d.layer(d.input()))
    op = d.pick("Softmax", "Softmax", "LogSoftmax")
    axis = d.some(1, len(x.shape))
    gate = At(d.add(op, x.name, name="mixture", axis=axis if d.rng.random() < 0.6 else -1), x.shape)
    match d.some(0, 2):
        case 0:
            x = At(d.add("Mul", x.name, gate.name), x.shape)
        case 1:
            x = At(d.add("Relu", gate.name), x.shape)
        case _:
            x = gate
    d.outputs.append(d.dense(d.flat(x), 4).name)
    return Case(d.model(), d.data(), refused=("mixture", "Softmax"))


def integers(seed: int) -> Case:
    """Bytes, words and bits as the input, cast and scaled in several ways."""
    d = Draw(seed)
    kind = d.pick(np.uint8, np.uint8, np.uint8, np.int8, np.uint16, np.int16, np.int32, np.bool_)
    x = d.input(kind=kind)
    name, shape = x.name, x.shape
    top = 1.0 if kind is np.bool_ else float(min(np.iinfo(kind).max, 1000))
    if d.rng.random() < 0.3 and len(shape) == 3:
        name, shape = d.add("Transpose", name, perm=[0, 3, 1, 2]), (shape[2], shape[0], shape[1])
    name = d.add("Cast", name, to=1)
    axis = 0 if d.layout in ("image", "signal") else len(shape) - 1
    column = [1] * len(shape)
    column[axis] = shape[axis]
    match d.some(0, 4):
        case 0:
            name = d.add("Div", name, d.const(top, np.float32))
        case 1:
            name = d.add("Mul", d.add("Sub", name, d.const(top / 2, np.float32)), d.const(2 / top, np.float32))
        case 2:
            means = d.const(d.rng.uniform(0.3, 0.7, column) * top, np.float32)
            name = d.add("Div", d.add("Sub", name, means), d.const(d.rng.uniform(0.2, 0.4, column) * top, np.float32))
        case 3:
            name = d.add("Sub", d.add("Mul", name, d.const(1 / top, np.float32)), d.const(0.5, np.float32))
        case _:
            pass
    x = body(d, At(name, shape))
    d.end(x)
    return Case(d.model(), d.data())


def broken(seed: int) -> Case:
    """NaN or infinity in one constant that matters, wherever it is."""
    d = Draw(seed, opsets=(9, 22))
    x = d.input()
    x = d.bend(d.norm(d.layer(x), 0) if d.layout in ("image", "signal") else d.layer(x))
    if d.rng.random() < 0.5:
        x = At(d.add("Mul", x.name, d.const(d.normal(x.shape[-1]))), x.shape)
    d.outputs.append(d.dense(d.flat(x), 4).name)
    model = d.model()
    real = [n for n, a in d.constants.items() if a.dtype == np.float32 and n in {i for k in d.nodes for i in k.input}]
    if not real:
        return broken(seed + 1000)
    name = real[d.some(0, len(real) - 1)]
    array = d.constants[name].copy()
    array.reshape(-1)[d.some(0, array.size - 1)] = d.pick(np.nan, np.inf, -np.inf)
    d.constants[name] = array
    model = d.model()
    readers = tuple(node.name for node in d.nodes if name in node.input)
    readers = tuple(f"{word}" for word in (name, *readers))
    if any(node.op_type == "Clip" and name in node.input for node in d.nodes):
        return broken(seed + 1000)
    return Case(model, d.data(), refused=readers)


def ends(seed: int) -> Case:
    """Outputs that no layer with weights makes."""
    d = Draw(seed, opsets=(9, 22))
    x = d.input()
    made = d.dense(d.flat(body(d, x)), 4)
    rank = len(x.shape)
    match d.some(0, 8):
        case 0:
            extra = d.add("Relu", x.name)
        case 1:
            extra = d.add("Identity", x.name)
        case 2:
            extra = d.add("Transpose", x.name, perm=[0, *range(rank, 0, -1)])
        case 3:
            extra = d.add("Reshape", x.name, d.whole(-1, int(np.prod(x.shape))))
        case 4:
            extra = d.add("Mul", x.name, d.const(0.5, np.float32))
        case 5:
            extra = d.add("Sigmoid", x.name)
        case 6:
            extra = d.add("Softmax", made.name, axis=-1)
        case 7:
            extra = d.add("Flatten", x.name)
        case _:
            extra = d.axes("ReduceMean", x.name, [rank], 18, keepdims=0)
    d.outputs += [made.name, extra] if d.rng.random() < 0.5 else [extra, made.name]
    return Case(
        d.model(), d.data(), may_refuse=(extra, "output", *(node.name for node in d.nodes if extra in node.output))
    )


KINDS: dict[str, Callable[[int], Case]] = {
    "statistics": statistics,
    "joins": joins,
    "sequences": sequences,
    "batches": batches,
    "leftovers": leftovers,
    "folded": folded,
    "between": between,
    "integers": integers,
    "broken": broken,
    "ends": ends,
    **{name: partial(structure, name=name) for name in STRUCTURES},
}
