# SPDX-License-Identifier: Apache-2.0
"""Where a model enters and leaves: its inputs up to the first integers, the last integers up to its outputs."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, assert_never

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.backends.onnx.host import Value, gathered, settled, write_affine, write_codes, write_step
from bitwright.backends.onnx.inputs import write_quantise
from bitwright.backends.onnx.tensors import Export, Tensor, channels_first, laid
from bitwright.backends.onnx.writer import DOUBLE, FLOAT, ROWS, SAMPLES, Writer, tensor_info
from bitwright.ir.host import HostGraph, HostStep
from bitwright.ir.host_ops import Affine, CountLevels, Gather, Quantise, Real, Same, Unfold
from bitwright.ir.layers import Input

Array = NDArray[Any]
BEFORE, AFTER = "before", "after"


def write_before(out: Export) -> list[onnx.ValueInfoProto]:
    """The tensors of the input layers; the declared inputs."""
    graph = out.graph
    if not graph.before.inputs:
        return [_plain_input(out, layer) for layer in graph.inputs]
    specs = dict(zip(graph.before.inputs, graph.before.specs, strict=True))
    _write_steps(out, {name: Value(name, spec.shape, np.dtype(spec.dtype).type) for name, spec in specs.items()})
    return [tensor_info(name, np.dtype(spec.dtype), spec.shape) for name, spec in specs.items()]


def _write_steps(out: Export, values: dict[str, Value]) -> None:
    """The steps before the accelerator, which begin with the `values` of its inputs; the input layers' tensors."""
    graph, write = out.graph, out.writer
    entries = dict(zip(graph.before.outputs, graph.inputs, strict=True))
    last = {step.inputs[0]: entries[step.output] for step in graph.before.steps if step.output in entries}
    quantised: dict[str, Tensor] = {}
    for step in graph.before.steps:
        does = step.does
        if isinstance(does, Quantise | CountLevels) and step.output in last:
            x = values[step.inputs[0]]
            quantised[step.output] = write_quantise(write, BEFORE, last[step.output].name, does, x)
            values[step.output] = Value("", x.shape)
        elif step.output in entries and isinstance(does, Gather):
            source = step.inputs[0]
            tensor = quantised.get(source) or _integers(out, values[source], entries[step.output])
            _enter(out, entries[step.output], tensor, values[source].shape, np.asarray(does.index.array))
        else:
            values[step.output] = write_step(write, BEFORE, step, *(values[name] for name in step.inputs))


def _enter(out: Export, layer: Input, tensor: Tensor, shape: tuple[int, ...], index: Array) -> None:
    """The layer's tensor: the host's elements at `index`."""
    value = Value(tensor.name, shape, codes=tensor.codes)
    made = gathered(out.writer, layer.name, channels_first(index), value)
    out.tensors[layer.name] = replace(tensor, name=made.name, codes=made.codes)


def _integers(out: Export, x: Value, layer: Input) -> Tensor:
    """An input of integers as floating point numbers."""
    wide = out.held[layer.name].wide
    return Tensor(out.writer.cast(x.name, layer.name, DOUBLE if wide else FLOAT), wide)


def _plain_input(out: Export, layer: Input) -> onnx.ValueInfoProto:
    """A real-valued input, channels first, of a graph without host steps: a quantiser of scale 1 makes its codes."""
    name, kind = out.writer.fresh(f"{layer.name}.real"), layer.type
    shape = (layer.shape[-1], *layer.shape[:-1])
    tensor = write_quantise(out.writer, BEFORE, layer.name, Quantise.plain(kind, 1.0), Value(name, shape))
    _enter(out, layer, tensor, shape, np.moveaxis(np.arange(prod(shape)).reshape(shape), 0, -1))
    return tensor_info(name, np.dtype(np.float32), shape)


def write_after(out: Export) -> list[onnx.ValueInfoProto]:
    """The declared outputs, behind the steps that follow the last integers."""
    graph, write = out.graph, out.writer
    names = graph.after.inputs or graph.outputs
    values = {host: _left(out, layer) for host, layer in zip(names, graph.outputs, strict=True)}
    for step in _needed(graph.after):
        values[step.output] = _step_after(write, step, [values[name] for name in step.inputs])
    unfolded = {step.output for step in graph.after.steps if isinstance(step.does, Unfold)}
    ends = enumerate(graph.after.outputs or names)
    return [_leave(out, values[host], index, ROWS if host in unfolded else SAMPLES) for index, host in ends]


def _step_after(write: Writer, step: HostStep, given: list[Value]) -> Value:
    """What a step behind the last integers makes of what is `given`."""
    does = step.does
    if isinstance(does, Same):
        return given[0]
    if isinstance(does, Affine):
        return write_affine(write, AFTER, step, does, given[0])
    if isinstance(does, Quantise):
        return write_codes(write, AFTER, step, does, given[0])
    if isinstance(does, Gather | Unfold | Real):
        return write_step(write, AFTER, step, *given)
    if isinstance(does, CountLevels):
        raise AssertionError(f"{does.op} stands in front")
    assert_never(does)


def _leave(out: Export, value: Value, index: int, axis: str) -> onnx.ValueInfoProto:
    """Output `index`, by its own name."""
    made = settled(out.writer, AFTER, value) if out.graph.after.outputs else replace(value, shape=laid(value.shape))
    name = out.writer.node("Identity", (made.name,), f"output_{index}")
    return tensor_info(name, np.dtype(made.kind), made.shape, axis)


def _needed(host: HostGraph) -> list[HostStep]:
    """The steps that reach an output."""
    needed, steps = set(host.outputs), []
    for step in reversed(host.steps):
        if step.output in needed:
            needed.update(step.inputs)
            steps.append(step)
    return steps[::-1]


def _left(out: Export, layer: str) -> Value:
    """The integers of a layer that leaves."""
    tensor, shape = out.tensors[layer], out.graph.by_name[layer].shape
    if tensor.places:
        return Value(tensor.places, shape, np.int64, first=len(shape) == 3)
    kind = np.float64 if tensor.wide else np.float32
    name = out.raw(layer)
    codes = tensor.codes if name == tensor.name else ""
    return Value(name, shape, kind, codes, tensor.carrier, first=len(shape) == 3)
