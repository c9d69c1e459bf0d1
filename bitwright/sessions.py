# SPDX-License-Identifier: Apache-2.0
"""The source model in onnxruntime: outputs to compare with, and whether given ones are of a session that optimises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from bitwright import origin
from bitwright.audit.golden import golden, row, rows
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.reading.model import Array
from bitwright.reading.read import beginning, read_model
from bitwright.reading.tflite.model import is_tflite

WHERE = "--golden ort"
SHOWN = 8
"""Samples at most that are run again to say where given outputs come from."""
AGAIN = "`verify --golden ort` recomputes them with its optimisations off."
FUSED = f"The outputs are those of a default onnxruntime session, which fuses nodes and rounds elsewhere: {AGAIN}"
UNKNOWN = f"A default onnxruntime session fuses nodes and rounds elsewhere; if the outputs are of one, {AGAIN}"
OTHER = "The outputs are not what onnxruntime computes of the model, with its optimisations or without."
OURS = "The outputs are what onnxruntime computes with its optimisations off: please report it with model and data."


INTERPRETER = (
    "TFLite's kernels are other functions: they round twice or away from zero, and add in fixed point (docs/audit.md). "
    "What they change is theirs; XNNPACK's convolutions and products are the file's own."
)


class Missing(BitwrightError):
    """There is no onnxruntime, or it cannot run the model."""


@dataclass(frozen=True, eq=False)
class Session:
    """A model in onnxruntime, its outputs for samples that are run one by one."""

    run_one: Any
    names: tuple[str, ...]
    copies: int

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs, samples on axis 0."""
        found = [self._sample([array[k : k + 1] for array in arrays]) for k in range(len(arrays[0]))]
        return [np.concatenate(row) for row in zip(*found, strict=True)]

    def _sample(self, sample: Sequence[Array]) -> list[Array]:
        feeds = {name: np.repeat(x, self.copies, axis=0) for name, x in zip(self.names, sample, strict=True)}
        try:
            made: list[Array] = self.run_one(None, feeds)
        except _failures() as error:
            raise _cannot(error) from error
        return [array.reshape(self.copies, *_behind(array, self.copies))[:1] for array in made]


def recomputed(net: Graph, arrays: Sequence[Array]) -> list[Array]:
    """What onnxruntime makes of the source model of `net`, its optimisations off, one sample after the other."""
    return session(net, optimised=False).run(arrays)


def session(net: Graph, *, optimised: bool) -> Session:
    """The source model of `net` in onnxruntime, as a default session runs it or as its nodes say."""
    held, made = opened(net, optimised=optimised), origin.source(net)
    assert made is not None
    return Session(held.run, net.entry.inputs, max(made.model.batch, 1))


def opened(net: Graph, *, optimised: bool, threads: int = 0) -> Any:
    """An `InferenceSession` of the source model of `net`; `threads` 0 are those that onnxruntime takes."""
    if net.source.origin is None:
        raise Missing("there is no source model to run", where=WHERE, hint="give the ONNX file itself")
    if is_tflite_source(net):
        hint = "give outputs in the data file, of the TFLite interpreter"
        raise Missing("onnxruntime runs no TFLite file", where=WHERE, hint=hint)
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise Missing("needs onnxruntime", where=WHERE, hint="pip install onnxruntime") from error
    if origin.source(net) is None:
        raise Missing("the source model is no longer what it was", where=WHERE, hint="load it again")
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what fails is said once, by us
    options.intra_op_num_threads = threads
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(written(net), options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise _cannot(error) from error


def remark(net: Graph, feeds: Mapping[str, Array], ours: Sequence[Array], theirs: Sequence[Array]) -> str:
    """What is said of outputs that nothing explains: whether they are of a session that optimises."""
    if is_tflite_source(net):
        return INTERPRETER
    samples = len(next(iter(feeds.values())))
    wrong = golden(ours, theirs, samples).unequal(rows(ours, samples), slice(None)).any(axis=1)
    some = np.flatnonzero(wrong)[:SHOWN]
    arrays, given = [array[some] for array in feeds.values()], [row(array, samples)[some] for array in theirs]
    try:
        same = {on: _is_same(session(net, optimised=on).run(arrays), given) for on in (True, False)}
    except Missing:
        return UNKNOWN
    if same[False]:
        return OURS
    return FUSED if same[True] else OTHER


def is_tflite_source(net: Graph) -> bool:
    """True if the graph was read from a TFLite file."""
    asked = net.source.origin
    return asked is not None and is_tflite(beginning(asked.model))


def _is_same(ours: Sequence[Array], theirs: Sequence[Array]) -> bool:
    samples = len(theirs[0])
    return not golden(ours, theirs, samples).unequal(rows(ours, samples), slice(None)).any()


def written(net: Graph) -> str | bytes:
    """The source model, as far as `net` goes."""
    asked = net.source.origin
    assert asked is not None
    if not asked.outputs:
        return asked.model
    proto = onnx.load(asked.model) if isinstance(asked.model, str) else onnx.load_from_string(asked.model)
    model = read_model(asked.model, shapes=dict(asked.shapes), outputs=asked.outputs)
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.helper.make_value_info(name, onnx.TypeProto()) for name in model.outputs)
    content: bytes = proto.SerializeToString()
    return content


def _behind(array: Array, copies: int) -> tuple[int, ...]:
    """The shape of one sample of an output that holds `copies`."""
    return array.shape[1:] if array.shape[:1] == (copies,) else (array.size // copies,)


def _failures() -> tuple[type[Exception], ...]:
    """What onnxruntime raises; its errors have no common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return tuple(getattr(state, name) for name in (*names, "RuntimeException"))


def _cannot(error: Exception) -> Missing:
    reason = str(error).partition("\n")[0][:200]
    hint = "give outputs in the data file, of the tool that runs this model"
    return Missing(f"onnxruntime cannot run the model: {reason}", where=WHERE, hint=hint)
