# SPDX-License-Identifier: Apache-2.0
"""What becomes of a drawn network: a refusal, or a file that computes what it says, near enough to the float network.

The bound on the noise is that of a plain quantiser of eight bits less 5 dB: symmetric weights with a scale per output,
one scale a tensor for what enters layers, sums, products, joins and means, the largest values, nothing corrected.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi import onnxruntime_pybind11_state as state_

import bitwright as bw
from bitwright.api import as_list, written
from bitwright.audit.replay import function_of
from bitwright.compress import FloatNet, float_net, outputs_of, quantize
from bitwright.compress.execute import FAST, run
from bitwright.compress.operators import channel_axis, fixed_tensors
from tests.qonnx_op import Quant

Array = NDArray[Any]
MEETS = frozenset("Add AveragePool Concat GlobalAveragePool Mul ReduceMean Sigmoid Sub Tanh".split())
LAYERS = frozenset("Conv ConvTranspose Gemm MatMul".split())
LEAST = 5.0
FAILURES = (state_.Fail, state_.InvalidArgument, state_.InvalidGraph, state_.NotImplemented, NotImplementedError)
SAMPLES = 4


@dataclass(frozen=True)
class Case:
    """A network and its data; `refused` are words of which a refusal holds one, `may_refuse` those of one as good."""

    model: onnx.ModelProto | Path
    data: list[Array]
    refused: tuple[str, ...] = ()
    may_refuse: tuple[str, ...] = ()


class Wrong(AssertionError):
    """Something is not as it should be."""


def judged(case: Case, **options: Any) -> str:
    """What became of a network, in a few words; anything that should not be raises `Wrong`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            net = float_net(case.model)
            state = quantize(net, case.data, per_channel=True, **options)
            content = written(state, [array[:2] for array in case.data], Path("out.onnx"))
    except bw.BitwrightError as error:
        words = case.refused or case.may_refuse
        if any(word.lower() in str(error).lower() for word in words):
            return "refused"
        raise Wrong(f"refused: {error}") from error
    except Warning as warning:
        raise Wrong(f"a library's warning: {warning}") from warning
    if case.refused:
        raise Wrong("was not refused")
    _explained(content, [array[:SAMPLES] for array in case.data])
    return _near(case, net, content, options)


def _explained(content: bytes, arrays: Sequence[Array]) -> None:
    """The written file's own float execution has no element that the integers do not explain."""
    report = bw.verify(bw.load(content), arrays, outputs=executed(onnx.load_from_string(content), arrays))
    mismatches = sum(row["mismatches"] for row in report["engines"].values())
    if mismatches or report["golden"]["unexplained"]:
        raise Wrong(f"verify: {mismatches} mismatches, {report['golden']}")


def _near(case: Case, net: FloatNet, content: bytes, options: Any) -> str:
    wanted = floats(case.model, case.data)
    ours = outputs_of(net, case.data)
    for mine, theirs in zip(ours, wanted, strict=True):
        if not np.allclose(mine.reshape(theirs.shape), theirs, rtol=1e-3, atol=1e-4 * max(np.abs(theirs).max(), 1e-9)):
            raise Wrong(f"the float execution differs from onnxruntime's by {np.abs(mine - theirs).max()}")
    got = as_list(bw.run(bw.load(content), case.data))
    least = noise(plain(net, case.data), wanted) - LEAST
    found = noise(got, wanted)
    if not options and found < min(least, 60):
        raise Wrong(f"{found:.1f} dB of {least:.1f}")
    return f"{found:.1f} dB of {least:.1f}"


def noise(got: Sequence[Array], wanted: Sequence[Array]) -> float:
    """The least signal-to-noise of the outputs, in dB."""
    found = []
    for mine, theirs in zip(got, wanted, strict=True):
        real = theirs.astype(np.float64)
        error = mine.reshape(theirs.shape) - real
        found.append(10 * np.log10(max((real**2).mean(), 1e-30) / max((error**2).mean(), 1e-30)))
    return float(min(found))


def floats(model: onnx.ModelProto | Path, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of a float model in onnxruntime: in its own batches, all samples at once, or one by one."""
    size = len(arrays[0])
    alive = _alive(model) if isinstance(model, onnx.ModelProto) else model
    held = 0 if isinstance(model, Path) else model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    for batch in (held,) if held else (size, 1):
        try:
            found = _run_ort(alive, arrays, batch)
        except FAILURES:
            continue
        if all(len(array) == size for array in found):
            return found
    raise Wrong("onnxruntime does not run it")


def _alive(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the nodes that no output needs."""
    kept, needed = [], {output.name for output in model.graph.output}
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    copy.graph.node.extend(reversed(kept))
    return copy


def executed(model: onnx.ModelProto, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of a written file, in float32: of onnxruntime, or of the reference that knows `Quant` and no more."""
    try:
        if all(node.domain in ("", "ai.onnx") for node in model.graph.node):
            return _run_ort(model, arrays, len(arrays[0]))
        names = [entry.name for entry in model.graph.input]
        runner = ReferenceEvaluator(model, new_ops=[Quant])
        return [np.asarray(array) for array in runner.run(None, dict(zip(names, arrays, strict=True)))]
    except FAILURES as error:
        raise Wrong(f"nobody runs the file: {error}") from error


def _run_ort(model: onnx.ModelProto | Path, arrays: Sequence[Array], batch: int) -> list[Array]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names, size = [entry.name for entry in session.get_inputs()], len(arrays[0])
    rows = []
    for start in range(0, size, batch):
        places = np.arange(start, start + batch) % size
        rows.append(session.run(None, {name: array[places] for name, array in zip(names, arrays, strict=True)}))
    return [np.concatenate(parts)[:size] for parts in zip(*rows, strict=True)]


def plain(net: FloatNet, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of the plain quantiser."""
    fixed = fixed_tensors(net.nodes, net.constants)
    chunks = list(run(net, arrays))
    steps = [(node, function_of(node, net.opset, FAST)) for node in net.nodes]
    found: list[list[Array]] = []
    for chunk in chunks:
        values = {**net.constants, **{entry.name: chunk[entry.name] for entry in net.inputs}}
        for node, function in steps:
            data = [name for name in node.inputs if name not in fixed]
            meets = node.op in LAYERS or (
                node.op in MEETS and (len(data) > 1 or len(node.inputs) == 1 or "Mean" in node.op)
            )
            operands = []
            for place, name in enumerate(node.inputs):
                value = values[name] if name else None
                if meets and name in data:
                    reach = [np.abs(each[name]).max(initial=0) for each in chunks]
                    signed = any((each[name] < 0).any() for each in chunks)
                    value = _rounded(value, np.asarray(max(reach)), signed)
                elif node.op in LAYERS and place == 1:
                    axis = channel_axis(node) % value.ndim
                    others = tuple(k for k in range(value.ndim) if k != axis)
                    value = _rounded(value, np.abs(value).max(axis=others, keepdims=True), True)
                operands.append(value)
            with np.errstate(all="ignore"):
                values |= dict(zip(node.outputs, function(operands), strict=False))
        found.append([values[name] for name in net.outputs])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _rounded(value: Array, reach: Array, signed: bool) -> Array:
    step = np.where(reach > 0, reach, 1) / (127 if signed else 255)
    return np.asarray(np.rint(value / step) * step, dtype=np.float32)
