# SPDX-License-Identifier: Apache-2.0
"""The layers of a graph as tensors of a file: where each is, in which layout, and how it is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Never

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.forms import Form
from bitwright.backends.onnx.held import Held
from bitwright.backends.onnx.writer import DOUBLE, FLOAT, Writer
from bitwright.exact.ranges import Ranges
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Gather, Layer, Reshape
from bitwright.ir.weights import Ints

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A float tensor (samples, channels, height, width) or (samples, ...) of the file that holds a layer.

    `wide`: it is float64. `offset`: what its numbers lack, as long as a zero point waits to be added. `codes` is the
    integer tensor of type `carrier` that it was made of, if there is one. `biased`: what its only reader adds is in it.
    `places` are the int64 numbers that it was made of; nobody but the host reads a layer of places that has no name.
    """

    name: str
    wide: bool = False
    offset: tuple[int, ...] = (0,)
    codes: str = ""
    carrier: type[Any] = np.int8
    biased: bool = False
    places: str = ""


@dataclass(frozen=True)
class Export:
    """A graph on its way into a file; `tensors` grows layer by layer."""

    graph: Graph
    writer: Writer
    reached: dict[str, Ranges]
    held: dict[str, Held]
    forms: dict[str, Form]
    tensors: dict[str, Tensor]

    def raw(self, name: str, *, wide: bool | None = None) -> str:
        """The integers of a layer themselves, in float64 if `wide`; by default as the file holds them."""
        tensor, shape = self.tensors[name], self.graph.by_name[name].shape
        made = tensor.name
        if any(tensor.offset):
            kind = np.float64 if tensor.wide else np.float32
            made = self.writer.step("Add", made, self.stem(name), column(tensor.offset, shape, kind))
        return self.typed(made, self.stem(name), tensor.wide, tensor.wide if wide is None else wide)

    def stem(self, name: str) -> str:
        """How the names of the nodes around a layer begin; a move is called after what it moves, as on reading."""
        layer = self.graph.by_name[name]
        if isinstance(layer, Gather | Reshape):
            return f"{self.stem(layer.inputs[0])}_{layer.op}"
        return name

    def typed(self, made: str, stem: str, wide: bool, wanted: bool) -> str:
        """The tensor `made`, cast where its type is not the wanted one."""
        return made if wide == wanted else self.writer.cast(made, stem, DOUBLE if wanted else FLOAT)


def column(values: Sequence[Any] | Array, shape: tuple[int, ...], kind: type[Any]) -> Array:
    """Numbers per channel of a layer of `shape` as the file broadcasts them; one where they are all equal."""
    array: Array = np.array([float(value) for value in values]).astype(kind)
    if (array == array[0]).all():
        array = array[:1].reshape(())
    return array.reshape(-1, 1, 1) if array.ndim and len(shape) == 3 else array


def number(value: float, kind: type[Any]) -> Array:
    """One number without axes."""
    return np.array(value, dtype=kind)


def laid(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a layer in the file, without the samples: channels first for images."""
    return (shape[-1], *shape[:-1]) if len(shape) == 3 else shape


def places_in_file(order: Ints) -> Ints:
    """For each element of a layer, flattened, its place in the flattened tensor of the file; `order` has its shape."""
    if order.ndim != 3:
        return order.reshape(-1)
    height, width, channels = order.shape
    return np.arange(order.size).reshape(channels, height, width).transpose(1, 2, 0).reshape(-1)


def channels_first(index: Ints) -> Ints:
    """An array of the shape of a layer as the file lays it out."""
    return np.moveaxis(index, -1, 0) if index.ndim == 3 else index


def channel_axis(shape: tuple[int, ...]) -> int:
    """The axis of the channels of a layer in the file, the samples counted."""
    return 1 if len(shape) == 3 else len(shape)


def refuse(layer: Layer, what: str, hint: str) -> Never:
    """Raise the error that `layer` cannot be written."""
    raise BitwrightError(what, where=f"layer '{layer.name}'", hint=hint)
