# SPDX-License-Identifier: Apache-2.0
"""What may stand between quantisers is what the importer takes: each kind once, drawn at random, read back and run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from onnx import helper

import bitwright as bw
from bitwright.compress import float_net, outputs_of, quantize
from bitwright.compress.operators import QUANTISERS, SUPPORTED
from bitwright.frontend.lowering import HANDLERS
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.exported import differences

Array = NDArray[Any]


class Middle(NamedTuple):
    """Nodes that make `m` of `a`, the sums of a convolution of `channels`, or of `r`, their ReLU; and constants."""

    nodes: list[onnx.NodeProto]
    constants: dict[str, Array]


Make = Callable[[Generator, int], Middle]


def whole(*numbers: int) -> Array:
    return np.array(numbers, dtype=np.int64)


def number(value: float) -> Array:
    return np.asarray(value, dtype=np.float32)


def kernel(rng: Generator, *shape: int) -> Array:
    return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def parts(source: str) -> onnx.NodeProto:
    return helper.make_node("Split", [source], ["u", "v"], axis=1, num_outputs=2, name="split")


def one(op: str, source: str = "r", **attributes: Any) -> Make:
    """A node of one operand."""
    return lambda rng, channels: Middle([node(op, source, "m", **attributes)], {})


def gate(*functions: str, source: str = "a") -> Make:
    """A tensor times functions of it, the operands in either order."""

    def make(rng: Generator, channels: int) -> Middle:
        names = [source, *(f"f{k}" for k in range(len(functions)))]
        nodes = [node(op, x, y) for op, x, y in zip(functions, names, names[1:], strict=False)]
        operands = [source, names[-1]] if rng.random() < 0.5 else [names[-1], source]
        return Middle([*nodes, node("Mul", " ".join(operands), "m")], {})

    return make


def pair(op: str, **attributes: Any) -> Make:
    """A node of two convolutions."""

    def make(rng: Generator, channels: int) -> Middle:
        other = node("Conv", "r kb", "b")
        return Middle([other, node(op, "r b", "m", **attributes)], {"kb": kernel(rng, channels, channels, 1, 1)})

    return make


def squeeze_and_excite(mean: str, *functions: str) -> Make:
    def make(rng: Generator, channels: int) -> Middle:
        axes = mean == "ReduceMean"
        names = ["s", *(f"f{k}" for k in range(len(functions)))]
        nodes = [node(mean, "r axes" if axes else "r", "g"), node("Conv", "g ks", "s")]
        nodes += [node(op, x, y) for op, x, y in zip(functions, names, names[1:], strict=False)]
        constants = {"ks": kernel(rng, channels, channels, 1, 1)} | ({"axes": whole(2, 3)} if axes else {})
        return Middle([*nodes, node("Mul", f"r {names[-1]}", "m")], constants)

    return make


def hard_swish(rng: Generator, channels: int) -> Middle:
    nodes = [
        node("Add", "a three", "d"),
        node("Clip", "d zero six", "e"),
        node("Mul", "a e", "f"),
        node("Div", "f six", "m"),
    ]
    return Middle(nodes, {"three": number(3), "zero": number(0), "six": number(6)})


def gelu(rng: Generator, channels: int) -> Middle:
    nodes = [
        node("Div", "a root", "d"),
        node("Erf", "d", "e"),
        node("Add", "e one", "f"),
        node("Mul", "a f", "g"),
        node("Mul", "g half", "m"),
    ]
    return Middle(nodes, {"root": number(2**0.5), "one": number(1), "half": number(0.5)})


def padded(mode: str) -> Make:
    def make(rng: Generator, channels: int) -> Middle:
        top, left, bottom, right = (int(size) for size in rng.integers(0, 3, 4))
        pads = {"pads": whole(0, 0, top, left, 0, 0, bottom, right)}
        return Middle([node("Pad", "r pads", "m", mode=mode)], pads)

    return make


def split_and_joined(rng: Generator, channels: int) -> Middle:
    half = channels // 2
    nodes = [parts("r"), node("Conv", "u kb", "w"), node("Concat", "w v", "m", axis=1)]
    return Middle(nodes, {"kb": kernel(rng, half + 1, half, 1, 1)})


def resized(rng: Generator, channels: int) -> Middle:
    rows, columns = (int(factor) for factor in rng.integers(1, 4, 2))
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if rng.random() < 0.5:
        given, last = number(0).reshape(1)[:0], np.array([1, 1, rows, columns], np.float32)
        return Middle([node("Resize", "r roi size", "m", **attributes)], {"roi": given, "size": last})
    made = helper.make_node("Resize", ["r", "", "", "size"], ["m"], name="resize", **attributes)
    return Middle([made], {"size": whole(1, channels, 6 * rows, 6 * columns)})


def interpolated(rng: Generator, channels: int) -> Middle:
    sizes = whole(1, channels, *rng.integers(3, 12, 2).tolist())
    made = helper.make_node(
        "Resize", ["r", "", "", "size"], ["m"], name="resize", mode=["linear", "cubic"][channels % 4 // 2]
    )
    return Middle([made], {"size": sizes})


def transposed(rng: Generator, channels: int) -> Middle:
    groups = int(rng.integers(1, 3))
    weights = {"kt": kernel(rng, channels, 3, 2, 2), "bt": normal(3 * groups)}
    return Middle([node("ConvTranspose", "r kt bt", "m", strides=[2, 2], group=groups)], weights)


def reduced(op: str) -> Make:
    def make(rng: Generator, channels: int) -> Middle:
        chosen = [(1,), (2,), (3,), (2, 3)][int(rng.integers(4))]
        return Middle([node(op, "r axes", "m", keepdims=1)], {"axes": whole(*chosen)})

    return make


def sliced(rng: Generator, channels: int) -> Middle:
    ends = {"start": whole(1), "end": whole(channels), "axes": whole(1)}
    return Middle([node("Slice", "r start end axes", "m")], ends)


def gathered(rng: Generator, channels: int) -> Middle:
    return Middle([node("Gather", "r places", "m", axis=1)], {"places": whole(channels - 1, 0)})


def shaped(rng: Generator, channels: int) -> Middle:
    nodes = [
        node("Shape", "r", "shape"),
        node("Gather", "shape first", "samples"),
        node("Concat", "samples rest", "wanted", axis=0),
        node("Reshape", "r wanted", "m"),
    ]
    return Middle(nodes, {"first": whole(0), "rest": whole(channels, 3, 12)})


KINDS: dict[str, Make] = {
    "SiLU": gate("Sigmoid"),
    "SiLU of a ReLU": gate("Sigmoid", source="r"),
    "Mish": gate("Softplus", "Tanh"),
    "HardSwish by HardSigmoid": gate("HardSigmoid"),
    "HardSwish by Clip": hard_swish,
    "GELU by Erf": gelu,
    "a square": lambda rng, channels: Middle([node("Mul", "a a", "m")], {}),
    "squeeze and excite": squeeze_and_excite("GlobalAveragePool", "Relu", "Sigmoid"),
    "squeeze and excite, hard": squeeze_and_excite("ReduceMean", "HardSigmoid"),
    "zeros around": padded("constant"),
    "reflection": padded("reflect"),
    "Split and Concat": split_and_joined,
    "Resize": resized,
    "Resize by interpolation": interpolated,
    "ConvTranspose": transposed,
    "a matrix on the left": lambda rng, _: Middle([node("MatMul", "left r", "m")], {"left": kernel(rng, 5, 6)}),
    "Slice": sliced,
    "Gather": gathered,
    "Shape": shaped,
    "Transpose": one("Transpose", perm=[0, 1, 3, 2]),
    "PRelu": lambda rng, channels: Middle([node("PRelu", "a slope", "m")], {"slope": number(0.25).reshape(1, 1, 1)}),
    "Neg": one("Neg", "a"),
    "GlobalMaxPool": one("GlobalMaxPool"),
    **{op: one(op, "a") for op in ("HardSwish", "Elu", "Selu", "Softplus", "Abs")},
    **{f"{op} of two": pair(op) for op in ("Add", "Sub", "Mul")},
    "Concat": pair("Concat", axis=1),
    **{op: reduced(op) for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")},
}

ONLY_TABLES = ("GELU by Erf",)
"""Functions that no host step computes: refused where no quantiser can follow."""


def network(kind: str, seed: int, *, between: bool) -> tuple[onnx.ModelProto, Array]:
    """A convolution, the kind, and a dense layer unless the network ends there; and samples."""
    rng = np.random.default_rng(seed)
    channels = 2 * int(rng.integers(1, 4))
    middle = KINDS[kind](rng, channels)
    nodes = [node("Conv", "x k bias", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "r"), *middle.nodes]
    constants = {"k": kernel(rng, channels, 3, 3, 3), "bias": normal(channels, seed=seed), **middle.constants}
    x = rng.normal(size=(12, 3, 6, 6)).astype(np.float32)
    nodes.append(node("Flatten", "m", "flat" if between else "y"))
    if between:
        size = _size(nodes, constants, x)
        nodes.append(node("MatMul", "flat last", "y"))
        constants["last"] = kernel(rng, 5, size).T.copy()
    return graph(nodes, constants, sample=[3, 6, 6], opset=18), x


def _size(nodes: list[onnx.NodeProto], constants: dict[str, Array], x: Array) -> int:
    """How many features the last of `nodes` makes."""
    made = graph(nodes, constants, sample=[3, 6, 6], outputs=["flat"], opset=18)
    return int(outputs_of(float_net(made), [x])[0].shape[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, between",
    [(kind, between) for kind in KINDS for between in (True, False) if between or kind not in ONLY_TABLES],
)
def test_each_kind_is_quantised_read_back_and_near_the_float_network(kind: str, between: bool) -> None:
    for seed in range(2):
        model, x = network(kind, seed, between=between)
        state = quantize(model, x, per_channel=True, scale="po2" if seed else "free")
        net, again = state.graph(), bw.load(state.onnx())
        assert net.removed or differences(net, again) == []
        got, wanted = bw.run(again, x), outputs_of(state.net, [x])[0]
        np.testing.assert_array_equal(bw.run(net, x), got)
        noise = ((got.reshape(wanted.shape) - wanted) ** 2).mean()
        assert 10 * np.log10((wanted**2).mean() / noise) > 20


def test_what_can_be_quantised_is_what_the_importer_takes() -> None:
    left = set(HANDLERS) - SUPPORTED
    assert set(HANDLERS) > SUPPORTED and not left - QUANTISERS
    assert {"Conv", "ReduceMean", "HardSigmoid", "Pad", "Split", "Resize", "ConvTranspose"} < SUPPORTED


def test_a_function_of_its_own_factor_is_one_table() -> None:
    model, x = network("SiLU", 0, between=True)
    state = quantize(model, x)
    assert list(state.acts) == ["x", "a", "m"]
    assert [layer.op for layer in state.graph().layers] == ["conv", "requantise", "table", "reshape", "dense"]


def test_the_parts_of_a_split_have_the_scale_of_the_whole() -> None:
    model, x = network("Split and Concat", 0, between=True)
    assert list(quantize(model, x).acts) == ["x", "r", "w", "m"]


def test_a_product_of_a_clip_of_its_factor_keeps_its_integers_where_the_clip_falls_on_some() -> None:
    model, x = network("HardSwish by Clip", 0, between=True)
    po2 = quantize(model, x, scale="po2").graph()
    assert [layer.op for layer in po2.layers].count("multiply") == 1
    free = quantize(model, x).graph()
    assert [layer.op for layer in free.layers].count("multiply") == 0


def test_a_network_that_holds_its_batch_is_calibrated_sample_by_sample() -> None:
    nodes = [
        node("Conv", "x k", "a"),
        node("Reshape", "a all", "f"),
        node("Gather", "f places", "g"),
        node("Reshape", "g sample", "h"),
        node("MatMul", "h w", "y"),
    ]
    constants = {"k": normal(2, 1, 1, 1), "w": normal(8, 3), "all": whole(-1), "sample": whole(1, 8)}
    constants["places"] = np.arange(8)
    model = graph(nodes, constants, sample=[1, 2, 2], batch=1)
    x = normal(5, 1, 2, 2)
    state = quantize(model, x, per_channel=True)
    wanted = outputs_of(state.net, [x])[0]
    assert wanted.shape == (5, 3)
    np.testing.assert_allclose(wanted[3], outputs_of(state.net, [x[3:4]])[0][0])
    assert ((bw.run(state.graph(), x) - wanted) ** 2).mean() < 1e-3 * (wanted**2).mean()


REFUSED = {
    "a Softmax between": (
        [node("Softmax", "r", "m")],
        "model: node 'Softmax_m' (Softmax): is a soft maximum before a layer on integers, computed in float\n"
        "  hint: it has no integer meaning; cut the network before and behind it",
    ),
    "a quotient": (
        [node("Softplus", "a", "s"), node("Div", "a s", "m")],
        "model: node 'Div_m' (Div): divides one activation by another\n  hint: not a function of fixed-point numbers",
    ),
}


@pytest.mark.parametrize("nodes, message", REFUSED.values(), ids=REFUSED)
def test_what_the_importer_refuses_is_refused_by_its_node(nodes: list[onnx.NodeProto], message: str) -> None:
    around = [node("MatMul", "x k", "a"), node("Relu", "a", "r"), *nodes, node("MatMul", "m w", "y")]
    model = graph(around, {"k": normal(3, 4), "w": normal(4, 2)}, sample=[3])
    with pytest.raises(BitwrightError) as refusal:
        quantize(model, normal(8, 3)).onnx()
    assert str(refusal.value) == message
