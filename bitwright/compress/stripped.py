# SPDX-License-Identifier: Apache-2.0
"""A quantised model while its quantisers are taken out: what bends in them stays, their codes are kept beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from bitwright.compress.coded import ActQuant, Coded, nearest_codes
from bitwright.compress.operators import moves
from bitwright.compress.sites import key
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.reading.inference import infer
from bitwright.reading.model import Model, Node

Array = NDArray[Any]
REAL = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
BOUNDS_ARE_INPUTS = 11
"""The opset from which a Clip reads its bounds."""
WIDEST = 32
"""Bits of a code."""
OTHER = "is quantised in a way whose widths cannot be searched"
HINT = "give the float model, or a file of Quant, BipolarQuant, or QuantizeLinear and DequantizeLinear"


class Stripped:
    """A model while its quantisers are taken out."""

    def __init__(self, model: Model) -> None:
        self.coded: dict[str, Coded] = {}
        self.acts: dict[str, ActQuant] = {}
        self._model = model
        self._constants = dict(model.constants)
        self._is: dict[str, str] = {}
        self._codes: dict[str, _Codes] = {}
        self._nodes: list[Node] = []
        self._makers: dict[str, Node] = {}
        self._free: dict[str, str] = {}
        self._entered = {entry.name for entry in model.inputs}

    @property
    def ends(self) -> list[str]:
        """The tensors that are outputs, or become them by quantisers alone."""
        return [self._is.get(name, name) for name in self._model.outputs]

    def model(self) -> Model:
        """What is left; an output keeps its name."""
        for name in self._model.outputs:
            self._settle(name)
        free = {name: self._free.get(at, at) for name, at in self._is.items() if name in self._model.outputs}
        ends = [Node(name, "Identity", "", (at,), (name,), {}, self._model.file) for name, at in free.items()]
        real = {name: array.astype(np.float32) for name, array in self._constants.items() if array.dtype.kind == "f"}
        return replace(self._model, nodes=(*self._nodes, *ends), constants=self._constants | real)

    def take(self, node: Node) -> None:
        """A node of the model, the next."""
        if node.op in TAKEN:
            TAKEN[node.op](self, self._read(node))
        elif node.op == "Clip" and self._is_idle(node):
            return
        elif node.op == "Transpose" and node.inputs[0] in self.coded:
            self._turn(node)
        else:
            for name in node.inputs:
                self._settle(name)
            self._add(self._read(node))

    def constant(self, node: Node, place: int, otherwise: Array | None = None) -> Array:
        """A constant that a quantiser reads."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if name not in self._constants and (name or otherwise is None):
            raise node.error(f"{OTHER}: its input {place} is no constant", HINT)
        return self._constants[name] if name else np.asarray(otherwise)

    def put(self, node: Node, quantiser: ActQuant) -> None:
        """A quantiser of a tensor, or of a constant, which it makes codes."""
        name, made = node.inputs[0], node.outputs[0]
        if name not in self._constants:
            self._put(made, self._bounded(name, quantiser, made))
            return
        if quantiser.zero.any():
            raise node.error(f"{OTHER}: its weights have a zero point", HINT)
        codes = nearest_codes(self._constants[name].astype(np.float32), quantiser.scale, quantiser.type)
        self._code(made, Coded(codes, quantiser.scale, quantiser.type))

    def make_codes(self, node: Node, codes: _Codes) -> None:
        """A node that makes codes of a tensor, or of a constant; what they stand for is said by who reads them."""
        name = node.inputs[0]
        if name in self._constants:
            self.put(node, ActQuant(codes.kind, _along(node, codes.step, self._constants[name].ndim), codes.zero))
        else:
            self._codes[node.outputs[0]] = codes

    def behind(self, node: Node) -> int:
        """How many axes are behind the one that a quantiser's scales go along."""
        if self.constant(node, 1).size == 1:
            return 0
        kind = infer(self._model).kinds.get(node.inputs[0])
        return 0 if kind is None else len(kind.shape) - 1 - int(node.attributes.get("axis", 1)) % len(kind.shape)

    def make_real(self, node: Node) -> None:
        """A node that makes real numbers of codes, a tensor's or constant ones."""
        name, made, scale = node.inputs[0], node.outputs[0], self.constant(node, 1).astype(np.float32)
        if name in self._codes:
            self._settle(name, scale)
            self._is[made] = self._is.get(name, name)
        elif name not in self._constants:
            self._is[made] = name
        elif self._constants[name].dtype.kind == "f":  # codes that were made real by who made them
            self._constants[made] = self._constants[name]
            self.coded.update({made: self.coded[name]} if name in self.coded else {})
        else:
            self._decode(node, self._constants[name], scale)

    def same(self, node: Node) -> None:
        """A node that leaves its tensor as it is."""
        self._settle(node.inputs[0])
        self._is[node.outputs[0]] = self._is.get(node.inputs[0], node.inputs[0])

    def _decode(self, node: Node, held: Array, scale: Array) -> None:
        zero = self.constant(node, 2, np.zeros((), np.int64)).astype(np.int64)
        steps = _along(node, scale, held.ndim)
        codes = held.astype(np.int64) - _along(node, zero, held.ndim)
        if not zero.any() and abs(codes).max(initial=0) < 1 << WIDEST - 1:
            self._code(node.outputs[0], Coded(codes.astype(np.int32), steps, _narrowest(codes)))
        else:
            self._constants[node.outputs[0]] = (codes * steps).astype(np.float32)

    def _code(self, name: str, coded: Coded) -> None:
        """A constant that came as codes."""
        self.coded[name], self._constants[name] = coded, coded.value

    def _turn(self, node: Node) -> None:
        """Codes of a constant with other axes first."""
        held = self.coded[node.inputs[0]]
        order = node.attributes.get("perm") or list(range(held.codes.ndim))[::-1]
        scale = held.scale.transpose(order) if held.scale.ndim == len(order) else held.scale
        self._code(node.outputs[0], Coded(held.codes.transpose(order), scale, held.type))

    def _settle(self, name: str, scale: Array | None = None) -> None:
        """Codes become the tensor that they stand for: a step is `scale`, or as large as the one they were made by."""
        codes = self._codes.get(name)
        if codes is None or name in self._is or name in self.acts:
            return
        step = codes.step if codes.step.size == 1 else np.ones((), np.float32)
        step = (step if scale is None else scale).reshape(-1)[:1].reshape(())
        source = codes.source
        if not np.array_equal(codes.step.reshape(-1), step.reshape(-1)):
            shape = (-1, *[1] * codes.behind) if codes.step.size > 1 else ()
            source = self._scaled(source, "Div", f"{name}_step", codes.step.reshape(shape))
            source = self._scaled(source, "Mul", f"{name}_scale", step) if step != 1 else source
        self._put(name, self._bounded(source, ActQuant(codes.kind, step, codes.zero), name))

    def _put(self, name: str, tensor: str) -> None:
        """Have a tensor stand for a name."""
        if name != tensor:
            self._is[name] = tensor

    def _bounded(self, source: str, act: ActQuant, name: str) -> str:
        """The tensor of a quantiser: its source between the ends of the codes, which may be all that bends it."""
        if act.scale.size > 1 or source in self._entered:
            if self.acts.setdefault(source, act) != act:
                where = f"{self._model.file}: tensor '{source}'"
                raise BitwrightError(f"{OTHER}: it has two quantisers", where=where, hint=HINT)
            return source
        if self._quantiser_of(source) == act:  # it was so already, and was moved since
            return source
        name = f"{name}_codes" if name in self._model.outputs else name
        ends = [np.float32((end - float(act.zero)) * float(act.scale)) for end in (act.type.lo, act.type.hi)]
        names, old = (f"{name}_low", f"{name}_high"), self._model.opset < BOUNDS_ARE_INPUTS
        self._constants.update(zip(names, map(np.asarray, ends), strict=True))
        bounds: dict[str, Any] = dict(zip(("min", "max"), map(float, ends), strict=True)) if old else {}
        inputs = (source, *(() if old else names))
        self._add(Node(name, "Clip", "", inputs, (name,), bounds, self._model.file))
        self.acts[name], self._free[name] = act, source
        return name

    def _scaled(self, source: str, op: str, name: str, by: Array) -> str:
        """A tensor times, or by, a constant."""
        self._constants[f"{name}_by"] = by.astype(np.float32)
        self._add(Node(name, op, "", (source, f"{name}_by"), (name,), {}, self._model.file))
        self._entered |= {name} if source in self._entered else set()
        return name

    def _is_idle(self, node: Node) -> bool:
        """True for a clip that narrows codes, or leaves all that its tensor can be as it is: then it is taken out."""
        name, (low, high) = node.inputs[0], (self._bound(node, place) for place in (1, 2))
        codes = self._codes.get(name)
        if codes is not None and name not in self._is and name not in self.acts:
            kind = IntType(int(max(low, codes.kind.lo)), int(min(high, codes.kind.hi)))
            self._codes[node.outputs[0]] = replace(codes, kind=kind)
            return True
        held = self._range(self._is.get(name, name))
        if held is None or held[0] < low or held[1] > high:
            return False
        self._is[node.outputs[0]] = self._is.get(name, name)
        return True

    def _bound(self, node: Node, place: int) -> float:
        name = node.inputs[place] if place < len(node.inputs) else ""
        free = -np.inf if place == 1 else np.inf
        return float(self._constants[name].reshape(-1)[0]) if name in self._constants else free

    def _range(self, name: str) -> tuple[float, float] | None:
        """Between what a tensor is that was quantised, or moved since; None if that is not known."""
        act = self._quantiser_of(name)
        if act is None or act.scale.size > 1:
            return None
        low, high = (float((end - act.zero) * act.scale) for end in (act.type.lo, act.type.hi))
        return low, high

    def _quantiser_of(self, name: str) -> ActQuant | None:
        """The quantiser of a tensor, or of the one that was moved to be it."""
        while name not in self.acts and name in self._makers and moves(self._makers[name]):
            name = self._makers[name].inputs[0]
        return self.acts.get(name)

    def _read(self, node: Node) -> Node:
        return replace(node, inputs=tuple(self._is.get(name, name) for name in node.inputs))

    def _add(self, node: Node) -> None:
        self._nodes.append(node)
        self._makers[key(node)] = node


@dataclass(frozen=True, eq=False)
class _Codes:
    """Codes of the tensor `source`, `behind` whose channels are so many axes."""

    source: str
    step: Array
    zero: Array
    kind: IntType
    behind: int = 0


def _narrowest(codes: Array) -> IntType:
    """The narrowest type of a choice that holds all codes."""
    if np.isin(codes, (-1, 1)).all():
        return BIPOLAR
    bits = max(2, int(abs(codes).max(initial=1)).bit_length() + 1)
    return integer(bits, signed=True, narrow=True)


def _along(node: Node, values: Array, rank: int) -> Array:
    """Numbers along the node's axis of a constant."""
    if values.size == 1:
        return values.reshape(())
    along = [1] * rank
    along[int(node.attributes.get("axis", 1))] = values.size
    return values.reshape(along)


def _quant(found: Stripped, node: Node) -> None:
    """QONNX: clip(rint(x / scale + zero))."""
    scale, zero, bits = (found.constant(node, place) for place in (1, 2, 3))
    signed, narrow = (bool(node.attributes.get(name, 0)) for name in ("signed", "narrow"))
    if bits.size != 1 or not 1 <= bits.item() <= WIDEST or bits.item() != int(bits.item()):
        raise node.error(f"{OTHER}: it has {bits.reshape(-1)[:4].tolist()} bits", HINT)
    if str(node.attributes.get("rounding_mode", "ROUND")).upper() not in ("ROUND", "HALF_EVEN"):
        raise node.error(f"{OTHER}: it rounds by '{node.attributes['rounding_mode']}'", HINT)
    wide = int(bits.item())
    kind = BIPOLAR if signed and wide == 1 else integer(wide, signed=signed, narrow=narrow and wide > signed)
    found.put(node, _quantiser(kind, scale, zero))


def _bipolar(found: Stripped, node: Node) -> None:
    """QONNX: a sign times a scale."""
    found.put(node, _quantiser(BIPOLAR, found.constant(node, 1), np.zeros(())))


def _linear(found: Stripped, node: Node) -> None:
    """QuantizeLinear: clip(rint(x / scale) + zero), in which channels may have scales of their own."""
    scale, zero = found.constant(node, 1).astype(np.float32), found.constant(node, 2, np.zeros((), np.uint8))
    if zero.dtype.kind not in "iu" or np.unique(zero).size > 1 or scale.ndim > 1:
        raise node.error(f"{OTHER}: it has zero points of its own for channels", HINT)
    kind = integer(zero.dtype.itemsize * 8, signed=zero.dtype.kind == "i")
    one = zero.reshape(-1)[0].astype(np.float32).reshape(())
    found.make_codes(node, _Codes(node.inputs[0], scale, one, kind, found.behind(node)))


def _cast(found: Stripped, node: Node) -> None:
    """To another type: real numbers are float32 throughout."""
    if node.attributes.get("to") not in REAL:
        raise node.error(f"{OTHER}: it makes integers of real numbers", HINT)
    found.same(node)


def _quantiser(kind: IntType, scale: Array, zero: Array) -> ActQuant:
    shape = () if scale.size == 1 else scale.shape
    return ActQuant(kind, scale.astype(np.float32).reshape(shape), zero.astype(np.float32).reshape(()))


TAKEN: Mapping[str, Callable[[Stripped, Node], None]] = {
    "Quant": _quant,
    "IntQuant": _quant,
    "BipolarQuant": _bipolar,
    "QuantizeLinear": _linear,
    "DequantizeLinear": Stripped.make_real,
    "Cast": _cast,
}
"""The quantisers that are taken out, and what changes the type of real numbers alone."""
