# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph under construction: nodes in order, constants shared by content, names that are taken once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]
QONNX = "qonnx.custom_op.general"
OPSET, IR_VERSION = 21, 10
"""The first opset that quantises to 16 bits, and an IR version that onnxruntime reads."""
SAMPLES, ROWS = "N", "rows"
"""Names of the first axis of what enters and leaves: samples, or all rows of all samples."""


class Writer:
    """Collects nodes and constants; a node makes one tensor, which has its name."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._taken = set(reserved)
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._shared: dict[tuple[object, ...], list[str]] = {}

    def fresh(self, name: str) -> str:
        """`name`, with a number behind it if it is taken."""
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = f"{name}_{count}"
        self._taken.add(found)
        return found

    def constant(self, array: Array, name: str) -> str:
        """The name of a constant, `name` if this is the first of its content."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.fresh(name)
            self.constants.append(numpy_helper.from_array(np.array(array, order="C"), self._known[key]))
        return self._known[key]

    def node(self, op: str, inputs: Sequence[str], name: str, *, domain: str = "", **attributes: Any) -> str:
        """Append a node called `name`, which is fresh or the name of a layer; the tensor that it makes.

        An attribute that is None is left out.
        """
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def several(self, op: str, inputs: Sequence[str], count: int, stem: str, **attributes: Any) -> list[str]:
        """The `count` outputs of a node whose name begins with `stem`; the same node where there is one like it."""
        key = (op, *inputs, *attributes.items())
        if key not in self._shared:
            name = self.fresh(f"{stem}/{op.lower()}")
            self._shared[key] = [self.fresh(f"{name}.{i}") for i in range(count)]
            self.nodes.append(helper.make_node(op, list(inputs), self._shared[key], name=name, **attributes))
        return self._shared[key]

    def step(self, op: str, x: str, stem: str, *others: Array | str, **attributes: Any) -> str:
        """A node with a name of its own that begins with `stem`; arrays among `others` become constants."""
        name = self.fresh(f"{stem}/{op.lower()}")
        names = [other if isinstance(other, str) else self.constant(other, f"{name}.constant") for other in others]
        return self.node(op, (x, *names), name, **attributes)

    def cast(self, x: str, stem: str, kind: int) -> str:
        """`x` as another type."""
        return self.step("Cast", x, stem, to=kind)

    def model(self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """The finished model; the domain of QONNX is imported where one of its operators is used."""
        domains = {node.domain for node in self.nodes}
        opsets = [helper.make_opsetid("", OPSET)]
        opsets += [helper.make_opsetid(QONNX, 1)] if QONNX in domains else []
        graph = helper.make_graph(self.nodes, "bitwright", inputs, outputs, self.constants)
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="bitwright")


def tensor_info(name: str, kind: np.dtype[Any], shape: Sequence[int], axis: str = SAMPLES) -> onnx.ValueInfoProto:
    """A tensor of any number of samples of `shape`, or of their rows."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(kind), [axis, *shape])


FLOAT, DOUBLE, INT64 = int(TensorProto.FLOAT), int(TensorProto.DOUBLE), int(TensorProto.INT64)
