# SPDX-License-Identifier: Apache-2.0
"""A graph that grows: layers are added one at a time, each verified, with the exact range of its integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from bitwright.exact.ranges import Ranges, layer_range, type_range
from bitwright.frontend import scales
from bitwright.frontend.builder import type_of
from bitwright.frontend.given import Named, Stated, kind_of, numbers, scale_of
from bitwright.frontend.values import ONE
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Input, Layer, Windowed
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.source import Source
from bitwright.ir.types import IntType
from bitwright.ir.verify import WIDEST, verify, verify_layer
from bitwright.ir.window import Pads

Operand = Layer | str
"""A layer, or the name of one."""
L = TypeVar("L", bound=Input | AnyLayer)
T = TypeVar("T")
W = TypeVar("W", bound=Windowed)


class Growing:
    """Layers so far, and which of them leave; `Net` says what there is to add."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._layers: dict[str, Input | AnyLayer] = {}
        self._reached: dict[str, Ranges] = {}
        self._outputs: list[str] = []

    def __getitem__(self, x: Operand) -> Input | AnyLayer:
        """The layer of that name, or the layer itself."""
        name = x if isinstance(x, str) else x.name
        if name not in self._layers:
            raise BitwrightError(
                f"{name!r} is no layer of it",
                where=f"network {self.name!r}",
                hint="its layers: " + (", ".join(self._layers) or "none yet"),
            )
        return self._layers[name]

    def __len__(self) -> int:
        """How many layers there are, inputs included."""
        return len(self._layers)

    def reached(self, x: Operand) -> Ranges:
        """The integers that can occur in each channel of a layer."""
        return self._reached[self[x].name]

    def output(self, *operands: Operand) -> None:
        """What these layers make leaves the network, in this order."""
        self._outputs += [self[x].name for x in operands]

    def graph(self) -> Graph:
        """The graph, verified. Without a call of `output` what the last layer makes leaves it."""
        inputs = tuple(layer for layer in self._layers.values() if isinstance(layer, Input))
        layers = tuple(layer for layer in self._layers.values() if not isinstance(layer, Input))
        outputs = tuple(self._outputs) or tuple(self._layers)[-1:]
        return verify(Graph(inputs, layers, outputs, source=Source(self.name)))

    def add(self, layer: L) -> L:
        """A layer exactly as it is, verified; every other method ends here."""
        if layer.name in self._layers:
            raise BitwrightError(
                "an earlier layer has the same name",
                where=f"layer {layer.name!r}",
                hint="give every layer a name of its own",
            )
        verify_layer(layer, self._layers)
        self._reached[layer.name] = self._range(layer)
        self._layers[layer.name] = layer
        return layer

    def head(self, op: str, said: Named, *operands: Operand, kind: IntType = WIDEST) -> dict[str, Any]:
        """The fields of any layer, before its real value is known: by default called after its kind and its place."""
        reads = [self[x] for x in operands]
        count = sum(not isinstance(known, Input) for known in self._layers.values())
        name = said.get("name") or f"{op}{count}"
        while "name" not in said and name in self._layers:
            count += 1
            name = f"{op}{count}"
        return {
            "name": name,
            "inputs": tuple(x.name for x in reads),
            "shape": reads[0].shape if reads else (1,),
            "type": kind,
            "scale": ONES,
            "zero": ZEROS,
            "source": said.get("source", ()),
        }

    def derive(self, layer: L, real: Callable[[], scales.Real], stated: Stated) -> L:
        """`layer` added, with what is stated of it, and else the exact type, scale and zero that follow."""
        where = f"layer {layer.name!r}"
        verify_layer(layer, self._layers)
        if "type" in stated:
            layer = replace(layer, type=kind_of(stated["type"], where)[0])
        elif layer.type == WIDEST:
            reads = [self[x] for x in layer.inputs]
            layer = replace(layer, type=type_of(layer, self._range(layer).type, reads))
        if "scale" in stated:
            layer = replace(layer, scale=scale_of(stated["scale"], where, layer.channels, ONE))
        if "zero" in stated:
            layer = replace(layer, zero=numbers(stated["zero"], where, layer.channels))
        if "scale" not in stated or "zero" not in stated:
            scale, zero = _exactly(real, where)
            layer = replace(
                layer,
                scale=layer.scale if "scale" in stated else scale,
                zero=layer.zero if "zero" in stated else zero,
            )
        return self.add(layer)

    def _range(self, layer: Input | AnyLayer) -> Ranges:
        reads = [self[x] for x in layer.inputs]
        return layer_range(layer, [self.reached(x) for x in reads], reads) if reads else type_range(layer)


def windowed(layer: W, x: Layer, channels: int) -> W:
    """`layer` with the shape that its windows over `x` make; what is no image is left to the verifier."""
    if len(x.shape) != 3 or min(layer.window.strides) < 1:
        return layer
    rows, columns = layer.window.out((x.shape[0], x.shape[1]))
    return replace(layer, shape=(rows, columns, channels)) if min(rows, columns) > 0 else layer


def pad_of(x: Layer, pads: Pads, given: int | None, where: str) -> int:
    """What padded positions hold: the zero point of `x` unless given, 0 where nothing is padded."""
    if given is not None or not any(pads):
        return given or 0
    return whole_zero(x, where)


def whole_zero(x: Layer, where: str) -> int:
    """The zero point of the whole of `x`, which must be an integer."""
    return _exactly(lambda: scales.whole_zero(x), where)


def _exactly(real: Callable[[], T], where: str) -> T:
    try:
        return real()
    except scales.Mixed as mixed:
        raise BitwrightError(
            f"would mix channels of different {mixed}",
            where=where,
            hint="requantise its input to one scale and zero first, or state `scale` and `zero`",
        ) from mixed


def where_of(head: dict[str, Any]) -> str:
    """How an error calls the layer of these fields."""
    return f"layer {head['name']!r}"
