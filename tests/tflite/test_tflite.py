# SPDX-License-Identifier: Apache-2.0
"""TFLite files as they are: the QDQ of the same numbers, exact; what is not read is named, and no byte is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitwright
from bitwright import sessions
from bitwright.ir.errors import BitwrightError
from bitwright.reading.tflite.file import parse
from tests.collection import MODELS
from tests.tflite.files import Net, act
from tests.tflite.nets import Case, cases

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_operator_is_what_it_means(case: Case) -> None:
    rng = np.random.default_rng(1)
    tensors = parse(case.data, "net").inputs
    arrays, reals = [], []
    for tensor in tensors:
        info, held = np.iinfo(tensor.dtype), tensor.quantisation
        assert held is not None
        span = 64 if info.bits == 8 else 200
        arrays.append(rng.integers(max(info.min, -span), span, (5, *tensor.sizes[1:])).astype(tensor.dtype))
        reals.append((arrays[-1].astype(np.float64) - held.zero) * held.scale)
    net = bitwright.load(case.data)
    np.testing.assert_array_equal(bitwright.run(net, arrays), case.expected(*reals))


def several() -> Net:
    """A split, of which one half is activated, and a joint layer that two outputs leave."""
    net = Net()
    x = net.add("ABS", [net.input((-1, 8))], (-1, 8))
    halves = [net.tensor(name, (-1, 4), "int8", 0.5, 0) for name in ("left", "right")]
    net.operators.append(("SPLIT", [net.const(1), x], halves, {0: ("i", 2)}))
    net.add("ADD", halves, (-1, 4), _0=act("RELU"))
    return net


def mobile() -> Net:
    """Real ends, asymmetric uint8 weights, a mean, sizes that follow from a shape, an absent bias, a Softmax."""
    rng = np.random.default_rng(0)
    net = Net()
    net.inputs.append(net.tensor("in", (-1, 8, 8, 3), "float32"))
    x = net.add("QUANTIZE", net.inputs, (-1, 8, 8, 3), "uint8", 2.0**-7, 128)
    w = net.const(rng.integers(0, 256, (8, 3, 3, 3)), "uint8", scale=0.01, zero=121)
    b = net.const(rng.integers(-500, 500, 8), "int32", scale=2.0**-7 * 0.01, zero=0)
    strides = {"_0": ("b", 0), "_1": ("i", 2), "_2": ("i", 2), "_3": act("RELU6")}
    x = net.add("CONV_2D", [x, w, b], (-1, 4, 4, 8), "uint8", 6 / 255, 0, **strides)
    w = net.const(rng.integers(0, 256, (1, 3, 3, 8)), "uint8", scale=0.02, zero=130)
    strides = {"_0": ("b", 0), "_1": ("i", 1), "_2": ("i", 1), "_3": ("i", 1), "_4": act("RELU6")}
    x = net.add("DEPTHWISE_CONV_2D", [x, w, -1], (-1, 4, 4, 8), "uint8", 6 / 255, 0, **strides)
    window = {f"_{i}": ("i", 4) for i in range(1, 5)}
    x = net.add("AVERAGE_POOL_2D", [x], (-1, 1, 1, 8), "uint8", 6 / 255, 0, _0=("b", 1), **window)
    sizes = net.add("SHAPE", [x], (4,), "int32", None, _0=("b", 2))
    ends = [net.const([value]) for value in (0, 1, 1)]
    batch = net.add("STRIDED_SLICE", [sizes, *ends], (), "int32", None, _4=("i", 1))
    sizes = net.add("PACK", [batch, net.const(8)], (2,), "int32", None, _0=("i", 2), _1=("i", 0))
    x = net.add("RESHAPE", [x, sizes], (-1, 8), "uint8", 6 / 255, 0)
    w = net.const(rng.integers(0, 256, (5, 8)), "uint8", scale=0.02, zero=100)
    x = net.add("FULLY_CONNECTED", [x, w, -1], (-1, 5), "uint8", 0.1, 128)
    x = net.add("SOFTMAX", [x], (-1, 5), "uint8", 1 / 256, 0, _0=("f", 1.0))
    net.add("DEQUANTIZE", [x], (-1, 5), "float32", None)
    return net


def test_a_network_with_real_ends() -> None:
    net = bitwright.load(mobile().bytes())
    assert [layer.op for layer in net.layers if layer.op in ("conv", "sumpool", "dense")] == [
        "conv",
        "conv",
        "sumpool",
        "dense",
    ]
    assert [row["op"] for row in net.host] == [
        "QuantizeLinear",
        "DequantizeLinear",
        "Softmax",
        "QuantizeLinear",
        "DequantizeLinear",
    ]
    x = np.random.default_rng(1).uniform(-1, 1, (4, 8, 8, 3)).astype(np.float32)
    report = bitwright.verify(net, x, bitwright.run(net, x), trace=True)
    assert report["golden"]["unexplained"] == 0
    assert {part and part["verdict"] for part in report["trace"]} <= {None, "boundary"}
    np.testing.assert_allclose(bitwright.run(net, x).sum(axis=1), 1, atol=0.02)


def test_several_outputs_and_an_open_batch() -> None:
    net = bitwright.load(several().bytes(5, 3))
    x = np.arange(-20, 20, dtype=np.int8).reshape(5, 8)
    total, right = bitwright.run(net, x)
    np.testing.assert_array_equal(right, abs(x)[:, 4:])
    np.testing.assert_array_equal(total, abs(x)[:, :4] + abs(x)[:, 4:])


def test_a_mirror_with_its_border() -> None:
    net = Net()
    x = net.add("ABS", [net.input((1, 6, 5, 4))], (1, 6, 5, 4))
    net.add("MIRROR_PAD", [x, net.const([[0, 0], [2, 6], [5, 1], [0, 3]])], (1, 14, 11, 7), _0=("b", 1))
    graph = bitwright.load(net.bytes())
    x = np.random.default_rng(2).integers(-60, 60, (3, 6, 5, 4)).astype(np.int8)
    wanted = np.pad(abs(x), [(0, 0), (2, 6), (5, 1), (0, 3)], mode="symmetric")
    np.testing.assert_array_equal(bitwright.run(graph, x), wanted)


def test_open_sizes_and_a_cut(tmp_path: Path) -> None:
    net = Net()
    net.add("ABS", [net.add("ABS", [net.input((1, -1, 3))], (1, -1, 3))], (1, -1, 3), scale=0.25)
    path = tmp_path / "net.tflite"
    path.write_bytes(net.bytes())
    with pytest.raises(BitwrightError) as error:
        bitwright.load(path)
    assert str(error.value) == (
        "net.tflite: input 'x0': has an unknown size: [1, '?', 3]\n  hint: fill it in: --shape x0=1x?x3, "
        "with numbers throughout; in Python load(..., shapes={...})"
    )
    graph = bitwright.load(path, shapes={"x0": (1, 7, 3)}, outputs=["abs0"])
    assert graph.inputs[0].shape == (3, 7)
    x = np.arange(-10, 11, dtype=np.int8).reshape(1, 7, 3)
    np.testing.assert_array_equal(bitwright.run(graph, x), abs(x))
    assert graph.host[-1]["reason"] == "left off: it lies behind the outputs that were asked for"


def test_the_audit_runs_the_model_again() -> None:
    case = CASES[0]
    net = bitwright.load(case.data)
    x = np.random.default_rng(2).integers(-60, 60, (3, 6, 5, 4)).astype(np.int8)
    report = bitwright.verify(net, x, bitwright.run(net, x), trace=True)
    assert report["golden"]["unexplained"] == 0 and report["trace"] == [None] * 3


def test_the_interpreter_is_audited_and_not_imitated(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "AVERAGE_POOL_2D False int8")
    path = tmp_path / "net.tflite"
    path.write_bytes(case.data)
    net = bitwright.load(path)
    x = np.random.default_rng(3).integers(-60, 60, (3, 6, 5, 4)).astype(np.int8)
    outputs = bitwright.run(net, x)
    outputs[0, 0, 0, 0] += 2
    assert bitwright.verify(net, x, outputs)["audit"]["note"] == (
        "TFLite's kernels are other functions: they round twice or away from zero, and add in fixed point "
        "(docs/audit.md). What they change is theirs; XNNPACK's convolutions and products are the file's own."
    )
    with pytest.raises(BitwrightError) as error:
        sessions.recomputed(net, [x])
    assert str(error.value) == (
        "--golden ort: onnxruntime runs no TFLite file\n"
        "  hint: give outputs in the data file, of the TFLite interpreter"
    )


def unread(op: str, *, custom: bool = False) -> bytes:
    net = Net()
    net.add("ABS", [net.add(op, [net.input((1, 4))], (1, 4))], (1, 4))
    return net.bytes()


def broken(name: str) -> bytes:
    """A file that says what cannot be."""
    net = Net()
    x = net.input((1, 6, 5, 4))
    match name:
        case "activation":
            net.add("ADD", [x, x], (1, 6, 5, 4), _0=act("SIGN_BIT"))
        case "weights":
            net.add("CONV_2D", [x, x], (1, 6, 5, 4), _1=("i", 1), _2=("i", 1))
        case "scales":
            w = net.const(np.ones((3, 1, 1, 4)), "int8", scale=[1.0, 2.0], axis=0)
            net.add("CONV_2D", [x, w], (1, 6, 5, 3), _1=("i", 1), _2=("i", 1))
        case "sizes":
            net.add("SLICE", [x, x, x], (1, 2, 2, 4))
        case "codes":
            net.add("ABS", [x], (1, 6, 5, 4))
            net.tensors[-1]["dtype"] = "float80"
        case "input":
            net.tensors[x]["dtype"] = "int64"
            net.add("ABS", [x], (1, 6, 5, 4))
    return net.bytes()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (unread("SVDF"), "model: node 'svdf0' (SVDF): is not supported in the domain 'tflite'"),
        (
            broken("activation"),
            "model: node 'add0' (SIGN_BIT): is an activation that is not read\n  hint: use ReLU, ReLU6 or none",
        ),
        (
            broken("weights"),
            "model: node 'conv_2d0' (CONV_2D): has weights that are no constant of 4 axes\n"
            "  hint: convert the model with constant weights",
        ),
        (
            broken("scales"),
            "model: is damaged: it has 2 scales and 2 zero points for a tensor of shape [3, 1, 1, 4]\n"
            "  hint: convert the model again; the file may be truncated",
        ),
        (
            broken("sizes"),
            "model: node 'slice0' (SLICE): has an operand 1 that is no constant of integers\n"
            "  hint: convert the model with fixed sizes",
        ),
        (
            broken("codes"),
            "model: tensor 'abs0': holds codes of type 99\n  hint: use integers of 4 to 32 bits",
        ),
        (
            broken("input"),
            "model: input 'x0': is of type int64\n  hint: use float32, or integers up to 32 bits",
        ),
    ],
)
def test_what_is_not_read_is_named(data: bytes, error: str) -> None:
    with pytest.raises(BitwrightError) as refused:
        bitwright.load(data)
    assert str(refused.value).startswith(error) and (str(refused.value) == error or "SVDF" in error)


def test_a_float_tensor_may_have_kept_its_range() -> None:
    net = Net()
    x = net.add("ABS", [net.input((1, 4))], (1, 4))
    net.add("DEQUANTIZE", [x], (1, 4), "float32", 0.25)
    y = bitwright.run(bitwright.load(net.bytes()), np.array([[-3, 2, 1, 0]], np.int8))
    np.testing.assert_array_equal(y, [[1.5, 1.0, 0.5, 0.0]])


def test_a_truncated_file_and_one_that_claims_too_much() -> None:
    data = CASES[0].data
    for end in range(8, len(data) - 100, 37):
        with pytest.raises(BitwrightError):
            bitwright.load(data[:end])
    with pytest.raises(BitwrightError) as error:
        bitwright.load(b"\xff\xff\xff\x7fTFL3" + bytes(20))
    assert str(error.value) == (
        "model: is damaged: it reads 4 bytes at 2147483647 of 28\n"
        "  hint: convert the model again; the file may be truncated"
    )


@pytest.mark.parametrize("seed", range(6))
def test_no_byte_is_trusted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        data = bytearray(CASES[int(rng.integers(len(CASES)))].data)
        for place in rng.integers(8, len(data), rng.integers(1, 5)):
            data[place] = int(rng.choice([0, 1, 127, 128, 255, rng.integers(256)]))
        try:
            bitwright.load(bytes(data))
        except BitwrightError as error:
            assert "Error: " not in str(error) or "cannot be taken as it is" in str(error)


LOST = "micro_speech_quantized"
"""tf2onnx left out the bias of its last layer; the file itself gives what TFLite gives."""
ORIGINALS = sorted(path.parent.name for path in (MODELS / "tflite").glob("*/original.tflite"))


@pytest.mark.parametrize("name", [name for name in ORIGINALS if name != LOST] or ["none"])
def test_the_codes_of_the_onnx_beside_it(name: str) -> None:
    folder = MODELS / "tflite" / name
    if not folder.is_dir():
        pytest.skip("the collection of networks is not there")
    golden = np.load(folder / "golden.npz")
    arrays = [golden[key][:4] for key in ("inputs", "inputs_1") if key in golden.files]
    results: list[Any] = []
    for file in ("model.onnx", "original.tflite"):
        try:
            net = bitwright.load(folder / file)
            results.append((bitwright.run(net, arrays, codes=True), bitwright.run(net, arrays)))
        except BitwrightError as error:
            results.append(error.what)
    if isinstance(results[0], str):
        assert results[0] == results[1]
    else:
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_array_equal(ours.reshape(-1), theirs.reshape(-1))


@pytest.mark.skipif(LOST not in ORIGINALS, reason="the collection of networks is not there")
def test_a_bias_that_tf2onnx_lost_is_there() -> None:
    golden = np.load(MODELS / "tflite" / LOST / "golden.npz")
    net = bitwright.load(MODELS / "tflite" / LOST / "original.tflite")
    np.testing.assert_array_equal(bitwright.run(net, golden["inputs"][:20]), golden["outputs_tflite_ref"][:20])
