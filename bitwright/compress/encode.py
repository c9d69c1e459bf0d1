# SPDX-License-Identifier: Apache-2.0
"""From a quantised network to the integer graph: the frontend's handlers, given codes and quantisers, and no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.coded import ActQuant, Coded
from bitwright.compress.grid import Grid, added, factors, grid_of, laid, plain
from bitwright.compress.network import FloatNet, Layer, fresh_names
from bitwright.compress.operators import MATRIX
from bitwright.compress.sites import Edge, key
from bitwright.frontend.beginnings import Beginnings, Begun
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.lowering import lower_model
from bitwright.frontend.values import Const
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Rounding
from bitwright.reading.model import Node

Array = NDArray[Any]
QONNX = "qonnx.custom_op.general"
ONE = Fraction(1)
BEGUN = 64
"""Networks that are kept to begin others with, at most."""


class Quantised(Protocol):
    """What `encode` reads of a state."""

    @property
    def net(self) -> FloatNet:
        """The float network."""

    @property
    def weights(self) -> Mapping[str, tuple[Coded, ...]]:
        """The bases of each weight, by the weight's name."""

    @property
    def acts(self) -> Mapping[str, ActQuant]:
        """The quantiser of each tensor that has one."""

    @property
    def bias_grid(self) -> bool:
        """True if biases are whole steps of their accumulators."""


class Encoder:
    """`encode` for many networks: what those that begin alike have in common is encoded once."""

    def __init__(self, net: FloatNet, memory: int) -> None:
        """For quantised networks of one float network, the layers of as many as fit in `memory`, about."""
        self._net = net
        held = 8 * sum(net.constants[layer.weight].size for layer in net.layers)
        self._begun = Beginnings(len(net.sites) * max(1, min(BEGUN, memory // max(held, 1))))

    def graph(self, state: Quantised) -> Graph:
        """What `encode` makes of a network: of the one that is known, or of that with other constants and biases."""
        if not _is_biased(state.net, self._net):
            return encode(state)
        ours, theirs = self._net.constants, state.net.constants
        changed = {name: _digest(array) for name, array in theirs.items() if array is not ours.get(name)}
        return encode(state, begun=Begun(self._begun, self._net.digest, changed))


def _is_biased(net: FloatNet, base: FloatNet) -> bool:
    """Whether a network is another one but for constants, and for biases that this one has not."""
    nodes = {key(node): node for node in base.nodes}
    return (net.inputs, net.outputs, net.coded) == (base.inputs, base.outputs, base.coded) and all(
        node is (old := nodes.get(key(node)))
        or (node.op == "Add" and not node.attributes)
        or (old is not None and node.op == old.op and node.attributes is old.attributes)
        for node in net.nodes
    )


def _digest(array: Array) -> str:
    return sha256(f"{array.dtype.str} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


def encode(state: Quantised, *, whole: bool = False, begun: Begun | None = None) -> Graph:
    """The graph of a quantised network: exactly the codes of its weights, biases and the rest as exact rationals.

    Channels that carry nothing leave it, unless it shall be `whole`. What networks that begin alike have in common is
    found in `begun`, unless biases are on the grid of their accumulators.
    """
    net = state.net
    fresh = fresh_names(net)
    made = _Twins(fresh, {}, {}, {}, {})
    quantisers = {}
    for site in (site for site in net.sites if site.tensor in state.acts):
        name = fresh(f"{site.tensor}_quant")
        node = Node(name, "Quant", QONNX, (site.tensor,), (name,), {}, net.file)
        quantisers[site.tensor] = node, _quantiser(state.acts[site.tensor])
        made.of.update(dict.fromkeys(site.edges, name))
    for layer in net.layers:
        made.code(layer, state.weights[layer.weight])
    if state.bias_grid:
        _put_on_grid(state, made)
    nodes = tuple(each for node in net.nodes for each in made.nodes(node))
    model = replace(net.model, nodes=nodes)
    known = None
    if begun is not None and not state.bias_grid:
        known = replace(begun, said={**begun.said, **_digests(state, made)})
    return lower_model(model, made.values, quantisers, whole=whole, begun=known)


def _digests(state: Quantised, made: _Twins) -> dict[str, str]:
    """Of each twin of a weight, and of the quantiser of each tensor."""
    found = {name: quantiser.digest for name, quantiser in state.acts.items()}
    for weight, names in made.bases.items():
        found |= {name: coded.digest for name, coded in zip(names, state.weights[weight], strict=True)}
    return found


@dataclass(frozen=True)
class _Twins:
    """What is read in place of tensors: `of` at an edge, `bases` of a weight; constants that are `values`.

    `plain` layers have their factor alpha behind them.
    """

    fresh: Callable[[str], str]
    of: dict[Edge, str]
    bases: dict[str, tuple[str, ...]]
    values: dict[str, Const]
    plain: dict[str, Fraction]

    def code(self, layer: Layer, bases: tuple[Coded, ...]) -> None:
        """Have a layer read the codes of its weight, which many may."""
        if layer.weight not in self.bases:
            self.bases[layer.weight] = tuple(self.fresh(f"{layer.weight}_codes") for _ in bases)
            self.values.update(zip(self.bases[layer.weight], map(_weight, bases), strict=True))

    def put(self, edge: Edge, name: str, value: Const) -> None:
        """Have an edge read a constant."""
        self.of[edge] = self.fresh(name)
        self.values[self.of[edge]] = value

    def nodes(self, node: Node) -> Iterator[Node]:
        """What stands for a node: itself, reading twins, or a layer for each basis of its weight and their sum."""
        name = key(node)
        inputs = [self.of.get(Edge(name, place), tensor) for place, tensor in enumerate(node.inputs)]
        if node.op not in MATRIX:
            yield replace(node, inputs=tuple(inputs))
            return
        first, *others = self.bases[node.inputs[1]]
        factor = self.plain.get(name, ONE)
        layer = plain(node) if name in self.plain else node
        outputs = [self.fresh(f"{name}_{count}") for count in range(1, 2 * len(others) + (factor != ONE) + 1)]
        outputs.append(name)
        yield replace(layer, inputs=(inputs[0], first, *inputs[2:]), outputs=(outputs[0],))
        for place, basis in enumerate(others):
            part, total = outputs[2 * place + 1 : 2 * place + 3]
            label = f"{node.name}_{place + 2}"
            yield replace(layer, name=label, inputs=(inputs[0], basis), outputs=(part,))
            yield _step(node, "Add", f"{label}_sum", (outputs[2 * place], part), total)
        if factor != ONE:
            alpha = self.fresh(f"{name}_alpha")
            self.values[alpha] = Const(np.array(float(factor), np.float32))
            yield _step(node, "Mul", f"{node.name}_alpha", (outputs[-2], alpha), name)


def _step(node: Node, op: str, name: str, inputs: tuple[str, ...], output: str) -> Node:
    return Node(name, op, "", inputs, (output,), {}, node.file, written=node.written or node.op)


def _put_on_grid(state: Quantised, made: _Twins) -> None:
    """Have every bias, and every constant that is added to a layer alone, be whole steps of the accumulators."""
    grid = grid_of(state.net, state.weights, state.acts)
    for layer in state.net.layers:
        constants = added(state.net, layer)
        if layer.bias is not None or constants:
            _put_biases(grid, made, layer, constants)


def _put_biases(grid: Grid, made: _Twins, layer: Layer, constants: Sequence[Edge]) -> None:
    """Those of a layer, its own and the `constants` behind it."""
    node, held, step = grid.makers[layer.name], grid.net.constants, grid.step(layer)
    alpha, beta = factors(node)
    if layer.bias is not None:
        bias = held[layer.bias].astype(np.float64) * float(beta) / float(alpha)
        value = grid.codes(bias, laid(layer, step, bias.ndim), f"layer '{node.name}'")
        made.put(Edge(layer.name, 2), f"{layer.name}_bias", value)
        if alpha != ONE or beta != ONE:
            made.plain[layer.name] = alpha
    for edge in constants if alpha == ONE else ():
        bias = held[grid.makers[edge.reader].inputs[edge.position]]
        rank = max(bias.ndim, held[layer.weight].ndim)
        value = grid.codes(bias, laid(layer, step, rank), f"node '{edge.reader}'")
        made.put(edge, f"{edge.reader}_bias", value)


def _weight(coded: Coded) -> Const:
    """The codes of a weight as the frontend has them."""
    return Const(coded.value, coded.codes.astype(np.int64), coded.scale, np.zeros((), np.float32))


def _quantiser(given: ActQuant) -> Quantiser:
    low, high = np.array(given.type.lo), np.array(given.type.hi)
    rounding = Rounding.SIGN if given.type.is_bipolar else Rounding.HALF_EVEN
    return Quantiser(given.scale, given.zero, 0, low, high, rounding)
