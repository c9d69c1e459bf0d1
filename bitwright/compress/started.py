# SPDX-License-Identifier: Apache-2.0
"""A file that is quantised already, as the float network that its quantisers stand in, and the integers that it has.

Its weights and tensors may then become narrower; as wide as they came they keep their codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Unpack

import onnx

from bitwright.compress.coded import ActQuant, Coded
from bitwright.compress.network import FloatNet, float_net
from bitwright.compress.operators import QUANTISERS, moves
from bitwright.compress.saved import written
from bitwright.compress.sites import key
from bitwright.compress.state import State
from bitwright.compress.stripped import HINT, OTHER, Stripped
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.types import IntType
from bitwright.reading.constants import fold_constants
from bitwright.reading.model import Model
from bitwright.reading.read import Asked, read_model


@dataclass(frozen=True)
class Start:
    """A float network, and the codes of weights and the quantisers of tensors that it came with, by their names.

    `ends` are quantisers of its outputs, which no integer network of ours has: they are left to who reads them. `file`
    is the whole of it as ONNX.
    """

    net: FloatNet
    weights: Mapping[str, Coded]
    acts: Mapping[str, ActQuant]
    ends: Mapping[str, ActQuant]
    file: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """The sha256 of the file."""
        return sha256(self.file).hexdigest()

    @property
    def widths(self) -> dict[str, int]:
        """The bits of weights and tensors as they came; of a weight none has more."""
        weights = {name: coded.type.bits for name, coded in self.weights.items() if isinstance(coded.type, IntType)}
        return weights | {name: act.type.bits for name, act in self.acts.items()}

    def onnx(self) -> bytes:
        """The file."""
        return self.file

    def graph(self) -> Graph:
        """What the file itself is read as."""
        return load_onnx(self.file)

    def state(self) -> State:
        """The network as it came."""
        return State(self.net, {name: (coded,) for name, coded in self.weights.items()}, self.acts)


def is_quantised(source: str | Path | bytes | onnx.ModelProto, **asked: Unpack[Asked]) -> bool:
    """True for a model with quantisers of its own."""
    return any(node.op in QUANTISERS for node in read_model(source, **asked).nodes)


def network(source: str | Path | bytes | onnx.ModelProto, name: str = "", **asked: Unpack[Asked]) -> FloatNet | Start:
    """A float network, or the start that a quantised one is; errors call it by its name."""
    if is_quantised(source, **asked):
        start = started(source, **asked)
        return replace(start, net=replace(start.net, file=name or start.net.file))
    net = float_net(source, **asked)
    return replace(net, file=name or net.file)


def float_of(found: FloatNet | Start) -> FloatNet:
    """The real numbers of it."""
    return found.net if isinstance(found, Start) else found


def started(source: str | Path | bytes | onnx.ModelProto, **asked: Unpack[Asked]) -> Start:
    """The start that a quantised model is; BitwrightError names what has no place in it."""
    read = read_model(source, **asked)
    model = fold_constants(read)
    for entry in model.inputs:
        if entry.dtype.kind != "f":
            where = f"{model.file}: input '{entry.name}'"
            raise BitwrightError(f"{OTHER}: it is of {entry.dtype}", where=where, hint=HINT)
    found = Stripped(model)
    for node in model.nodes:
        found.take(node)
    net = _float(found.model())
    for layer in net.layers:
        if layer.weight not in found.coded:
            where = f"{net.file}: weight '{layer.weight}'"
            raise BitwrightError(f"{OTHER}: it has no codes of its own", where=where, hint=HINT)
    coded = {layer.weight: found.coded[layer.weight] for layer in net.layers}
    acts, last = _placed(net, found.acts, set(found.ends))
    ends = {name: last[at] for name, at in zip(net.outputs, found.ends, strict=True) if at in last}
    return Start(net, coded, acts, ends, _file(read))


def _float(model: Model) -> FloatNet:
    """What is left of a model; errors call it by its name."""
    try:
        return replace(float_net(_file(model)), file=model.file)
    except BitwrightError as error:
        where = model.file + error.where.removeprefix("model") if error.where.startswith("model:") else error.where
        raise BitwrightError(error.what, where=where, hint=error.hint) from error


def _file(model: Model) -> bytes:
    """A model as ONNX; refused if it has tensors of types that its operators do not take, as some files do."""
    try:
        return bytes(written(model).SerializeToString(deterministic=True))
    except onnx.checker.ValidationError as error:
        what = f"{OTHER}: {str(error).partition(chr(10))[0]}"
        raise BitwrightError(what, where=model.file, hint=HINT) from error


def _placed(
    net: FloatNet, found: Mapping[str, ActQuant], ends: set[str]
) -> tuple[dict[str, ActQuant], dict[str, ActQuant]]:
    """The quantisers at the sites of a network."""
    acts: dict[str, ActQuant] = {}
    last: dict[str, ActQuant] = {}
    for name, act in found.items():
        places = _places(net, name, act)
        if places and all(acts.setdefault(place, held) == held for place, held in places.items()):
            continue
        if name not in ends:
            what = "is quantised where no layer reads integers, or twice"
            raise BitwrightError(f"{OTHER}: it {what}", where=f"{net.file}: tensor '{name}'", hint=HINT)
        last[name] = act
    return acts, last


def _places(net: FloatNet, name: str, act: ActQuant) -> dict[str, ActQuant]:
    """The sites that a quantiser is of: what a tensor moves from, and its products with positive numbers."""
    sites, makers = {site.tensor for site in net.sites}, {key(node): node for node in net.nodes}
    at = name
    while at not in sites and at in makers and moves(makers[at]):
        at = makers[at].inputs[0]
    return {place: held for place, held in ((at, act), *_scaled(net, name, act)) if place in sites}


def _scaled(net: FloatNet, name: str, act: ActQuant) -> Iterator[tuple[str, ActQuant]]:
    """The products of a tensor with positive numbers, with its quantiser times these."""
    for node in net.nodes:
        factors = [net.constants[each] for each in node.inputs if each in net.constants]
        if node.op == "Mul" and name in node.inputs and len(factors) == 1 and factors[0].size == 1 and factors[0] > 0:
            yield node.outputs[0], replace(act, scale=act.scale * factors[0].reshape(()))
