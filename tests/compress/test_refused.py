# SPDX-License-Identifier: Apache-2.0
"""What cannot be quantised is refused by its place, word for word, and before memory is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

import bitwright as bw
from bitwright.compress import RANGES, TRANSFORMS, float_net, quantize
from bitwright.compress.operators import SUPPORTED
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal

DENSE = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
X = normal(8, 4)
REACH = float(np.abs(X @ normal(4, 3) * np.float32(1e30)).max())


class Rows:
    """As an array of another library is: rows, one for each sample."""

    def __len__(self) -> int:
        return len(X)

    def __iter__(self) -> Iterator[object]:
        return iter(X)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "quantised": (
        lambda: quantize(quantize(DENSE, [X]).onnx(), [X]),
        "model: node 'x_quant' (QuantizeLinear): the model is quantised already\n"
        "  hint: give the float model, or compile this one as it is",
    ),
    "unsupported": (
        lambda: quantize(graph([node("GRU", "x w w", "y")], {"w": normal(4, 3)}, sample=[4]), [X]),
        "model: node 'GRU_y' (GRU): is recurrent: its state runs from step to step\n"
        "  hint: only feed-forward networks are supported; use convolutions over time, or run this part on the host",
    ),
    "unknown": (
        lambda: quantize(graph([node("Det", "x", "y")], {"w": normal(4, 3)}, sample=[4, 4]), [X]),
        "model: node 'Det_y' (Det): cannot be quantised yet\n  hint: supported: " + ", ".join(sorted(SUPPORTED)),
    ),
    "no weights": (
        lambda: quantize(graph([node("MatMul", "x x", "y")], {}, sample=[4]), [X]),
        "model: node 'MatMul_y' (MatMul): its weights, 'x', are computed from the input\n"
        "  hint: only layers with constant weights, as the second operand, can be quantised yet",
    ),
    "no layer": (
        lambda: quantize(graph([node("Relu", "x", "y")], {}, sample=[4]), [X]),
        "model: has no layer with weights\n  hint: quantising is for networks with Conv, ConvTranspose, Gemm, MatMul",
    ),
    "invalid": (
        lambda: quantize(graph([node("MatMul", "z w", "y")], {"w": normal(4, 3)}, sample=[4]), [X]),
        "model: node 'MatMul_y' (MatMul): reads 'z', which nothing makes before it\n"
        "  hint: the graph has a cycle or a gap; export it again",
    ),
    "does not run": (
        lambda: quantize(graph([node("MatMul", "x w", "y")], {"w": normal(5, 3)}, sample=[4]), [X]),
        "model: node 'MatMul_y' (MatMul): cannot be run on the data: matmul: Input operand 1 has a mismatch "
        "in its core dimension 0, with gufunc signature (n?,k),(k,m?)->(n?,m?) (size 5 is different from 4)\n"
        "  hint: check that the model runs in another tool on the same data",
    ),
    "weight bits": (
        lambda: quantize(DENSE, [X], weights=0),
        "quantize: 0 bits cannot be used for weights\n  hint: choose 1 to 16 bits",
    ),
    "activation bits": (
        lambda: quantize(DENSE, [X], activations=17),
        "quantize: 17 bits cannot be used for activations\n  hint: choose 2 to 16 bits",
    ),
    "range": (
        lambda: quantize(DENSE, [X], range="entropy"),
        f"quantize: 'entropy' cannot be used for range\n  hint: choose {' or '.join(RANGES)}",
    ),
    "transforms": (
        lambda: quantize(DENSE, [X], transforms=("fuse", "unfuse")),
        f"quantize: 'unfuse' cannot be used for transforms\n  hint: choose {' or '.join(TRANSFORMS)}",
    ),
    "scale": (
        lambda: quantize(DENSE, [X], scale="po3"),
        "quantize: 'po3' cannot be used for scale\n  hint: choose free or po2",
    ),
    "count": (
        lambda: quantize(DENSE, [X, X]),
        "calibration data: 2 arrays for a model with 1 inputs\n  hint: give one array for each of: x",
    ),
    "shape": (
        lambda: quantize(DENSE, [normal(8, 5)]),
        "calibration data for input 'x': shape (8, 5), where the model takes (N, 4)\n  hint: samples stack on axis 0",
    ),
    "dtype": (
        lambda: quantize(DENSE, [np.ones((8, 4), dtype=np.int64)]),
        "calibration data for input 'x': dtype int64, where the model takes float32\n"
        "  hint: give what the model takes, as float32; nothing is converted",
    ),
    "empty": (
        lambda: quantize(DENSE, [normal(0, 4)]),
        "calibration data for input 'x': 0 samples\n"
        "  hint: give the same number of samples, at least one, for every input",
    ),
    "not finite": (
        lambda: quantize(DENSE, [np.full((8, 4), np.nan, dtype=np.float32)]),
        "model: tensor 'x': holds values that are not finite on the calibration data\n"
        "  hint: check the float model and how the data is scaled",
    ),
    "beyond float32": (
        lambda: quantize(graph([node("MatMul", "x w", "y")], {"w": normal(4, 3) * 1e30}, sample=[4]), [X]),
        f"model: layer 'y': reads or makes numbers up to {REACH:.1e}, of which float32 holds no sums of products\n"
        "  hint: scale the data and the weights, or round to the nearest (--rounding nearest)",
    ),
    **{
        f"{kind} for data": (
            lambda data=data: quantize(DENSE, data),
            f"calibration data for input 'x': a {kind} in place of an array\n"
            "  hint: give NumPy arrays, samples on axis 0",
        )
        for kind, data in {
            "list": [X.tolist()],
            "float": 3.0,
            "NoneType": None,
            "dict": {"x": X},
            "Rows": Rows(),
        }.items()
    },
    **{
        f"{option}={given!r}": (
            lambda option=option, given=given: quantize(DENSE, X, **{option: given}),
            f"quantize: {given!r} cannot be used for {option}\n  hint: choose {choices}",
        )
        for option, given, choices in (
            ("per_channel", "no", "True or False"),
            ("per_channel", None, "True or False"),
            ("range", ["mse"], " or ".join(RANGES)),
            ("scale", ["po2"], "free or po2"),
            ("zero", True, "auto or always or never"),
            ("transforms", None, f"a list of {' or '.join(TRANSFORMS)}"),
            ("transforms", "fuse", f"a list of {' or '.join(TRANSFORMS)}"),
            ("transforms", 3, f"a list of {' or '.join(TRANSFORMS)}"),
            ("config", 3, "the path of a YAML file, or a mapping of names to options"),
            ("config", [], "the path of a YAML file, or a mapping of names to options"),
        )
    },
    "a list of lists": (
        lambda: quantize(DENSE, X, transforms=[["fuse"]]),  # type: ignore[arg-type, list-item]
        f"quantize: ['fuse'] cannot be used for transforms\n  hint: choose {' or '.join(TRANSFORMS)}",
    ),
    "an array of options": (
        lambda: quantize(DENSE, X, config={"y": np.zeros(2)}),
        "config: 'y': is array([0., 0.]), where options belong\n"
        "  hint: for example `conv1: {weights: 8, activations: 6}`",
    ),
    "an example of no module": (
        lambda: quantize(DENSE, X, example=X),
        "quantize: an example without a PyTorch module\n  hint: leave it out: an ONNX model says what it takes",
    ),
    "half a bit": (
        lambda: quantize(DENSE, [X], weights=4.0),  # type: ignore[arg-type]
        "quantize: 4.0 bits cannot be used for weights\n  hint: choose 1 to 16 bits",
    ),
    "no file": (
        lambda: quantize(Path("missing.onnx"), [X]),
        "missing.onnx: cannot be read: No such file or directory\n  hint: give the path of an ONNX file",
    ),
}


@pytest.mark.parametrize(
    ("made", "name"),
    [([], "x"), ([node("Relu", "x", "r")], "r"), ([node("Softmax", "x", "r")], "r"), ([], "w")],
    ids=["input", "line", "tail", "constant"],
)
def test_an_output_of_no_integers_is_refused_before_the_network_runs(made: list[onnx.NodeProto], name: str) -> None:
    """Its hint was to quantise the network first."""
    model = graph([node("MatMul", "x w", "y"), *made], {"w": normal(4, 3)}, sample=[4], outputs=("y", name))
    with pytest.raises(BitwrightError) as refusal:
        float_net(model)
    assert str(refusal.value) == (
        f"model: output '{name}': depends on nothing that is quantised\n"
        "  hint: end the network at its other outputs (--outputs)"
    )
    assert float_net(model, outputs=("y",)).outputs == ("y",)


def test_numbers_beyond_float32_are_rounded_to_the_nearest_as_the_message_says() -> None:
    model = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3) * 1e30}, sample=[4])
    state = quantize(model, [X], rounding="nearest", correct="bias")
    wanted = X @ normal(4, 3) * np.float32(1e30)
    np.testing.assert_allclose(bw.run(state.graph(), X), wanted, atol=0.02 * REACH)


@pytest.mark.parametrize("request_, message", REFUSED.values(), ids=REFUSED)
def test_refusals_say_where_what_and_what_to_do(request_: Callable[[], object], message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        request_()
    assert str(refusal.value) == message


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for content in (b"", b"# not a model"):
        path.write_bytes(content)
        with pytest.raises(BitwrightError) as refusal:
            quantize(path, [X])
        assert str(refusal.value) == "model.onnx: is not an ONNX model\n  hint: export the network to ONNX"


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["w", "b", "gamma"])
def test_constants_that_are_not_finite_are_refused_by_their_node(name: str, number: float) -> None:
    nodes = [node("Gemm", "x w b", "h"), node("BatchNormalization", "h gamma beta mean var", "y")]
    weights = {"w": normal(4, 3), "b": normal(3)}
    weights |= {key: np.ones(3, np.float32) for key in ("gamma", "beta", "mean", "var")}
    weights[name].flat[1] = number
    with pytest.raises(BitwrightError) as refusal:
        quantize(graph(nodes, weights, sample=[4]), [X])
    place = "'BatchNormalization_y' (BatchNormalization)" if name == "gamma" else "'Gemm_h' (Gemm)"
    index = {"w": 1, "b": 2, "gamma": 1}[name]
    assert str(refusal.value) == (
        f"model: node {place}: has a number in its input {index} ('{name}') that is not finite\n"
        "  hint: check the checkpoint it came from"
    )


def test_a_clip_may_have_bounds_that_do_not_bind() -> None:
    nodes = [node("Clip", "x low high", "c"), node("MatMul", "c w", "y")]
    bounds = {"low": np.float32(0).reshape(()), "high": np.float32(np.inf).reshape(())}
    assert set(quantize(graph(nodes, {"w": normal(4, 3)} | bounds, sample=[4]), [X]).acts) == {"c"}


# Hostile sizes

LARGE = f"holds {1 << 26} elements\n  hint: at most {1 << 25} elements are supported"


def test_constants_beyond_any_memory_are_not_computed() -> None:
    rows = np.ones((1 << 13, 1), np.float32)
    model = graph([node("Add", "a b", "w"), node("MatMul", "x w", "y")], {"a": rows, "b": rows.reshape(-1)}, sample=[4])
    with pytest.raises(BitwrightError) as refusal:
        quantize(model, [X])
    assert str(refusal.value) == f"model: node 'Add_w' (Add): {LARGE}"


HUGE = 1 << 30


@pytest.mark.parametrize("pads", [[HUGE] * 4, [0, 0, 0, HUGE]])
@pytest.mark.parametrize("op", ["AveragePool", "Conv", "MaxPool"])
def test_padding_beyond_any_memory_is_not_made(op: str, pads: list[int]) -> None:
    padded = node(op, "x k" if op == "Conv" else "x", "p", kernel_shape=[1, 1], pads=pads)
    nodes = [padded, node("Flatten", "p", "f"), node("MatMul", "f w", "y")]
    model = graph(nodes, {"k": normal(1, 1, 1, 1), "w": normal(4, 3)}, sample=[1, 2, 2])
    with pytest.raises(BitwrightError) as refusal:
        quantize(model, [normal(8, 1, 2, 2)])
    rows, columns = pads[0] + pads[2] + 2, pads[1] + pads[3] + 2
    assert str(refusal.value) == (
        f"model: node '{op}_p' ({op}): holds 1 x {rows} x {columns} elements\n"
        f"  hint: at most {1 << 24} elements are supported"
    )


@pytest.mark.parametrize("sized", [False, True])
def test_an_image_that_grows_beyond_any_memory_is_not_made(sized: bool) -> None:
    """By scales, or by sizes of some axes."""
    last = np.array([HUGE, HUGE], np.int64) if sized else np.array([1, 1, HUGE // 2, HUGE // 2], np.float32)
    grown = node("Resize", "x none none last" if sized else "x none last", "p", **({"axes": [2, -1]} if sized else {}))
    for _ in range(1 + sized):
        grown.input[list(grown.input).index("none")] = ""
    nodes = [grown, node("Flatten", "p", "f"), node("MatMul", "f w", "y")]
    model = graph(nodes, {"last": last, "w": normal(4, 3)}, sample=[1, 2, 2], opset=18)
    with pytest.raises(BitwrightError) as refusal:
        quantize(model, [normal(8, 1, 2, 2)])
    said = str(refusal.value)
    assert said.startswith("model: node 'Resize_p' (Resize): holds "), said
    assert said.endswith(f"1 x {HUGE} x {HUGE} elements\n  hint: at most {1 << 24} elements are supported"), said


@pytest.mark.parametrize("attribute", ["kernel_shape", "strides", "dilations", "pads"])
def test_a_window_of_another_rank_is_refused(attribute: str) -> None:
    window = node("MaxPool", "x", "p", **({"kernel_shape": [1, 1]} | {attribute: [1]}))
    nodes = [window, node("Flatten", "p", "f"), node("MatMul", "f w", "y")]
    with pytest.raises(BitwrightError) as refusal:
        quantize(graph(nodes, {"w": normal(4, 3)}, sample=[1, 2, 2]), [normal(8, 1, 2, 2)])
    assert str(refusal.value) == (
        "model: node 'MaxPool_p' (MaxPool): has a window that does not fit a tensor of rank 4\n"
        "  hint: export the model again"
    )


def test_an_attribute_that_means_nothing_is_the_error_of_its_node() -> None:
    odd = node("Unsqueeze", "x", "u")
    odd.attribute.append(onnx.AttributeProto(name="axes", type=onnx.AttributeProto.INTS))
    model = graph([odd, node("MatMul", "u w", "y")], {"w": normal(4, 3)}, sample=[4], opset=11)
    with pytest.raises(BitwrightError) as refusal:
        quantize(model, [X])
    assert str(refusal.value) == (
        "model: node 'Unsqueeze_u' (Unsqueeze): cannot be run on the data: "
        "Could not infer attribute `axes` type from empty iterator\n"
        "  hint: check that the model runs in another tool on the same data"
    )


@pytest.mark.slow
def test_activations_beyond_any_memory_are_not_made() -> None:
    nodes = [node("Add", "x column", "p"), node("MatMul", "p w", "y")]
    model = graph(nodes, {"w": normal(4, 3), "column": np.ones((1 << 26, 1, 1), np.float32)}, sample=[4])
    with pytest.raises(BitwrightError) as refusal:
        quantize(model, [X])
    assert str(refusal.value).startswith(f"model: node 'Add_p' (Add): holds {(1 << 26) * 4} elements\n")


def test_a_tower_of_sums_takes_no_longer_than_it_is_high() -> None:
    tower = [node("Add", f"t{k} t{k}", f"t{k + 1}") for k in range(60)]
    nodes = [node("Relu", "x", "t0"), *tower, node("MatMul", "t60 w", "y")]
    net = float_net(graph(nodes, {"w": normal(4, 3)}, sample=[4]))
    assert all(site.non_negative for site in net.sites)


@pytest.mark.parametrize("name", ["", "other"])
def test_an_output_that_no_node_makes_is_refused(name: str) -> None:
    """A name that is empty is allowed in ONNX where an output is absent, and so it came far."""
    model = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
    model.graph.output[0].name = name
    with pytest.raises(BitwrightError) as error:
        quantize(model, [X])
    assert str(error.value) == f"model: output '{name}' is made by no node\n  hint: export the model again"


@pytest.mark.parametrize("groups", [0, 3])
def test_groups_that_do_not_divide_the_outputs_are_refused(groups: int) -> None:
    model = graph([node("Conv", "x w", "y", group=groups)], {"w": normal(4, 1, 3, 3)}, sample=[3, 6, 6])
    with pytest.raises(BitwrightError) as refusal:
        float_net(model)
    assert str(refusal.value) == (
        f"model: node 'Conv_y' (Conv): has weights of shape (4, 1, 3, 3) in {groups} groups\n"
        "  hint: export the model again"
    )
