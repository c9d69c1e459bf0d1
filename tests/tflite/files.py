# SPDX-License-Identifier: Apache-2.0
"""Small TFLite files, tensor by tensor and operator by operator, as the converter would write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwright.reading.tflite.schema import ACTIVATIONS, BUILTINS, TYPES

Array = NDArray[Any]
SIZES = {"b": 1, "?": 1, "i": 4, "I": 4, "f": 4}
KINDS = {name: number for number, name in TYPES.items()} | {"float80": 99}
OPTIONS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 2, "POOL_2D": 5, "FULLY_CONNECTED": 8, "SOFTMAX": 9, "CONCATENATION": 10}
OPTIONS |= {"ADD": 11, "RESIZE_BILINEAR": 15, "RESHAPE": 17, "MUL": 21, "PAD": 22, "TRANSPOSE": 26, "MEAN": 27}
OPTIONS |= {"SUB": 28, "STRIDED_SLICE": 32, "SPLIT": 35, "SLICE": 48, "TRANSPOSE_CONV": 49, "LEAKY_RELU": 75}
OPTIONS |= {
    "RESIZE_NEAREST_NEIGHBOR": 74,
    "PACK": 59,
    "ARG_MAX": 40,
    "SQUEEZE": 30,
    "DEPTH_TO_SPACE": 94,
    "SPACE_TO_DEPTH": 19,
    "UNPACK": 64,
    "SPLIT_V": 79,
}
"""The numbers of the tables of options."""


@dataclass
class Net:
    """A model under construction; `add` returns the number of the tensor that it makes."""

    tensors: list[dict[str, Any]] = field(default_factory=list)
    operators: list[tuple[str, Sequence[int], Sequence[int], dict[int, tuple[str, Any]]]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "int8",
        scale: ArrayLike | None = None,
        zero: ArrayLike = 0,
        axis: int = 0,
        value: Array | None = None,
    ) -> int:
        self.tensors.append(
            {"name": name, "shape": shape, "dtype": dtype, "scale": scale, "zero": zero, "axis": axis, "value": value}
        )
        return len(self.tensors) - 1

    def input(self, shape: Sequence[int], dtype: str = "int8", scale: float = 0.5, zero: int = 0) -> int:
        self.inputs.append(self.tensor(f"x{len(self.inputs)}", shape, dtype, scale, zero))
        return self.inputs[-1]

    def const(self, value: ArrayLike, dtype: str = "int32", **quantisation: Any) -> int:
        array = np.array(value, dtype=dtype)
        return self.tensor(f"c{len(self.tensors)}", array.shape, dtype, value=array, **quantisation)

    def add(
        self,
        op: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        dtype: str = "int8",
        scale: float | None = 0.5,
        zero: int = 0,
        **options: tuple[str, Any],
    ) -> int:
        """An operator with one output; options are called after their number: `_3=("b", 1)`."""
        made = self.tensor(f"{op.lower()}{len(self.operators)}", shape, dtype, scale, zero)
        self.operators.append((op, inputs, [made], {int(name[1:]): value for name, value in options.items()}))
        return made

    def bytes(self, *outputs: int) -> bytes:
        """The file; without `outputs` its output is the last operator's."""
        return _written(self, outputs or self.operators[-1][2])


def act(name: str) -> tuple[str, int]:
    """A fused activation as an option."""
    return "b", ACTIVATIONS.index(name)


class _Writer:
    def __init__(self) -> None:
        self.b = flatbuffers.Builder(1024)

    def vector(self, values: Array) -> int:
        data = np.ascontiguousarray(values)
        size = data.dtype.itemsize
        self.b.StartVector(size, data.size, max(size, 4))
        for item in reversed(data.reshape(-1).tolist()):
            {
                "i1": self.b.PrependInt8,
                "u1": self.b.PrependUint8,
                "i4": self.b.PrependInt32,
                "i8": self.b.PrependInt64,
                "f4": self.b.PrependFloat32,
            }[data.dtype.str[1:]](item)
        return int(self.b.EndVector())

    def offsets(self, places: Sequence[int]) -> int:
        self.b.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.b.PrependUOffsetTRelative(place)
        return int(self.b.EndVector())

    def table(self, fields: dict[int, tuple[str, Any]]) -> int:
        held = {n: (k, self.vector(np.array(v, np.int32)) if k == "v" else v) for n, (k, v) in fields.items()}
        self.b.StartObject(max(held, default=-1) + 1)
        for number, (kind, value) in held.items():
            if kind in "ov":
                self.b.PrependUOffsetTRelativeSlot(number, value, 0)
            else:
                slot = {"b": "Int8", "?": "Bool", "i": "Int32", "I": "Uint32", "f": "Float32"}[kind]
                self.b.ForceDefaults(True)
                getattr(self.b, f"Prepend{slot}Slot")(number, value, 0)
        return int(self.b.EndObject())


def _written(net: Net, outputs: Sequence[int]) -> bytes:
    w = _Writer()
    buffers = [w.table({})]
    tensors = []
    for tensor in net.tensors:
        index = 0
        if tensor["value"] is not None:
            index = len(buffers)
            raw = np.frombuffer(np.ascontiguousarray(tensor["value"]).tobytes(), np.uint8)
            buffers.append(w.table({0: ("o", w.vector(raw))}))
        tensors.append(_tensor(w, tensor, index))
    names = list(dict.fromkeys(op for op, *_ in net.operators))
    codes = [w.table({0: ("b", min(BUILTINS.index(n), 127)), 3: ("i", BUILTINS.index(n))}) for n in names]
    operators = [_operator(w, names.index(op), op, *ends) for op, *ends in net.operators]
    graph = w.table(
        {
            0: ("o", w.offsets(tensors)),
            1: ("v", net.inputs),
            2: ("v", list(outputs)),
            3: ("o", w.offsets(operators)),
        }
    )
    model = w.table(
        {
            0: ("I", 3),
            1: ("o", w.offsets(codes)),
            2: ("o", w.offsets([graph])),
            4: ("o", w.offsets(buffers)),
        }
    )
    w.b.Finish(model, file_identifier=b"TFL3")
    return bytes(w.b.Output())


def _tensor(w: _Writer, tensor: dict[str, Any], buffer: int) -> int:
    name = w.b.CreateString(tensor["name"])
    fields = {1: ("b", KINDS[tensor["dtype"]]), 2: ("I", buffer), 3: ("o", name)}
    sizes = [abs(size) for size in tensor["shape"]]
    fields[0], fields[7] = ("v", sizes), ("v", list(tensor["shape"]))
    if tensor["scale"] is not None:
        scale = np.atleast_1d(np.array(tensor["scale"], np.float32))
        zero = np.broadcast_to(np.array(tensor["zero"], np.int64), scale.shape)
        held = {2: ("o", w.vector(scale)), 3: ("o", w.vector(zero)), 6: ("i", tensor["axis"])}
        fields[4] = ("o", w.table(held))
    return w.table(fields)


def _operator(
    w: _Writer, code: int, op: str, inputs: Sequence[int], outputs: Sequence[int], options: dict[int, tuple[str, Any]]
) -> int:
    fields: dict[int, tuple[str, Any]] = {0: ("I", code), 1: ("v", list(inputs)), 2: ("v", list(outputs))}
    if options:
        kind = "POOL_2D" if op.endswith("POOL_2D") else "MEAN" if op in ("SUM", "REDUCE_MAX", "REDUCE_MIN") else op
        fields[3], fields[4] = ("b", OPTIONS.get(kind, 1)), ("o", w.table(options))
    return w.table(fields)
