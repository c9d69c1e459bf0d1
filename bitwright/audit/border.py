# SPDX-License-Identifier: Apache-2.0
"""The host's side of the border: input quantisers, which codes an output shows, quantisers behind the last layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.bounds import Bounds, U
from bitwright.audit.reach import Reach, edges, reach_of
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep, run_host
from bitwright.ir.host_ops import (
    ROUND,
    Abs,
    Add,
    Affine,
    ArgMax,
    Arithmetic,
    Clip,
    Constant,
    CountLevels,
    Curve,
    Div,
    Elu,
    Exp,
    Gather,
    HostOp,
    LeakyRelu,
    LogSoftmax,
    Mul,
    Product,
    Quantise,
    Relu,
    Rsub,
    Same,
    Sigmoid,
    Softmax,
    Softplus,
    Sub,
    Tanh,
    TopK,
    Unfold,
)
from bitwright.ir.weights import Ints

Array = NDArray[Any]
LINEAR = Add | Sub | Rsub | Mul | Div | Gather
"""Steps before a quantiser that have a magnitude."""
PASSING = Same | Relu | Clip
"""Steps that never enlarge a magnitude."""
ELEMENTWISE = Arithmetic | PASSING | Unfold | Affine | Quantise | LeakyRelu | Elu | Curve
"""Steps of which each element depends on one element."""
HOST_UNITS = 64
"""Units in the last place by which float32 may differ before a quantiser on the host, behind a softmax for example."""


def input_reaches(graph: Graph, feeds: Mapping[str, Array], codes: Sequence[Ints]) -> dict[str, Reach]:
    """The reach of every input layer whose codes the host makes of real values, by name."""
    found = {}
    for layer, output, entered in zip(graph.inputs, graph.before.outputs, codes, strict=True):
        chain = _chain(graph.before, output)
        places = [(i, step.does) for i, step in enumerate(chain) if isinstance(step.does, Quantise)]
        if len(places) == 1 and all(isinstance(step.does, LINEAR | PASSING) for step in chain[: places[0][0]]):
            found[layer.name] = _input_reach(chain, *places[0], feeds, entered)
    return found


def _chain(graph: HostGraph, output: str) -> list[HostStep]:
    """The steps that `output` needs, in order."""
    needed, steps = {output}, []
    for step in reversed(graph.steps):
        if step.output in needed:
            needed.update(step.inputs)
            steps.append(step)
    return steps[::-1]


def _input_reach(chain: list[HostStep], at: int, does: Quantise, feeds: Mapping[str, Array], codes: Ints) -> Reach:
    before, quantiser, after = chain[:at], chain[at], chain[at + 1 :]
    scale, zero = (constant.array.astype(np.float64) for constant in (does.scale, does.before))
    limits = [constant.array.astype(np.float64) for constant in (does.after, does.low, does.high)]
    rounding, source = does.rounding, quantiser.inputs[0]

    def laid(x: Array) -> Array:
        (made,) = run_host(
            HostGraph((quantiser.output,), tuple(after), (_last(after, quantiser),)), {quantiser.output: x}
        )
        return made.astype(np.float64)

    wide = {name: array.astype(np.float64) for name, array in feeds.items()}
    (x,) = run_host(HostGraph(tuple(wide), tuple(before), (source,)), wide)
    sizes = {name: np.abs(array) for name, array in wide.items()}
    (size,) = run_host(HostGraph(tuple(wide), tuple(map(_magnitude, before)), (source,)), sizes)
    value = laid(x / scale + zero)
    shift, low, high = (laid(np.broadcast_to(limit, x.shape)) for limit in limits)
    error = laid(U * (len(before) + 3) * size / scale + U * np.abs(zero))
    steps = edges(rounding, ROUND[rounding](value))
    return reach_of(lambda v: ROUND[rounding](v).clip(low, high) + shift, Bounds(value, error, error), codes, steps)


def _last(steps: list[HostStep], quantiser: HostStep) -> str:
    return steps[-1].output if steps else quantiser.output


def _magnitude(step: HostStep) -> HostStep:
    """The step that makes magnitudes of magnitudes."""
    return replace(step, does=_of_magnitudes(step.does))


def _of_magnitudes(does: HostOp) -> HostOp:
    match does:
        case Sub() | Rsub():
            return Add(_magnitudes(does.constant))
        case Add() | Mul() | Div():
            return replace(does, constant=_magnitudes(does.constant))
        case Gather():
            return does
        case Same() | Relu() | Clip():
            return Same()
        case Quantise() | CountLevels() | Affine() | LeakyRelu() | Elu() | Sigmoid() | Tanh() | Exp() | Abs():
            raise AssertionError(f"{does.op} has no magnitude")
        case Softplus() | Softmax() | LogSoftmax() | TopK() | ArgMax() | Unfold() | Product():
            raise AssertionError(f"{does.op} has no magnitude")
        case _:
            assert_never(does)


def _magnitudes(constant: Constant | None) -> Constant | None:
    return constant and Constant(np.abs(constant.array))


def shown(graph: Graph) -> list[tuple[str, Ints] | None]:
    """Of every model output the layer and, per element, the index of the one integer that it shows.

    None where an element depends on several, as behind a softmax.
    """
    found: dict[str, tuple[str, Ints] | None] = {
        name: (name, np.arange(np.prod(graph.by_name[name].shape))) for name in graph.after.inputs
    }
    for step in graph.after.steps:
        before = found[step.inputs[0]]
        if isinstance(step.does, Gather) and before is not None:
            found[step.output] = before[0], before[1].reshape(-1)[step.does.index.array.reshape(-1)]
        else:
            alone = len(step.inputs) == 1 and isinstance(step.does, ELEMENTWISE)
            found[step.output] = before if alone else None
    return [found[name] for name in graph.after.outputs]


def nudged(after: HostGraph) -> list[HostGraph]:
    """The host graph with every quantiser's input a little smaller and a little larger; nothing if it has none."""
    if not any(isinstance(step.does, Quantise) for step in after.steps):
        return []
    factors = [1 + sign * HOST_UNITS * U for sign in (-1, 1)]
    return [replace(after, steps=tuple(_scaled(step, factor) for step in after.steps)) for factor in factors]


def _scaled(step: HostStep, factor: float) -> HostStep:
    if not isinstance(step.does, Quantise):
        return step
    scale = Constant(np.asarray(step.does.scale.array / np.float32(factor)))
    return replace(step, does=replace(step.does, scale=scale))
