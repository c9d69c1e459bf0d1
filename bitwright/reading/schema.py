# SPDX-License-Identifier: Apache-2.0
"""What an operator may look like: how many inputs, which attributes, of which kinds; checked before any handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx.defs import OpSchema

from bitwright.reading.model import Branch, Node

STANDARD = ("", "ai.onnx")
CHANNELS_LAST = "qonnx.custom_op.channels_last"
AGAIN = "export the model again"
Kind = OpSchema.AttrType
OF_KIND: Mapping[Kind, tuple[str, Callable[[Any], bool]]] = {
    Kind.INT: ("an integer", lambda v: isinstance(v, int)),
    Kind.FLOAT: ("a number", lambda v: isinstance(v, float)),
    Kind.STRING: ("a text", lambda v: isinstance(v, str)),
    Kind.INTS: ("a list of integers", lambda v: isinstance(v, list) and all(isinstance(i, int) for i in v)),
    Kind.FLOATS: ("a list of numbers", lambda v: isinstance(v, list) and all(isinstance(i, float) for i in v)),
    Kind.STRINGS: ("a list of texts", lambda v: isinstance(v, list) and all(isinstance(i, str) for i in v)),
    Kind.TENSOR: ("a tensor", lambda v: isinstance(v, np.ndarray)),
}
"""What an attribute of each kind is called, and how it is known."""
FLAG = (Kind.INT, Kind.TENSOR)  # integer-deployment graphs wrap their numbers in tensors
OWN_ATTRIBUTES: Mapping[str, tuple[Kind, ...]] = {
    **dict.fromkeys(("signed", "narrow", "div", "n_levels", "n_levels_out"), FLAG),
    **dict.fromkeys(("axis", "block_size", "output_dtype", "channels_last"), (Kind.INT,)),
    **dict.fromkeys(("rounding_mode", "data_layout"), (Kind.STRING,)),
    **dict.fromkeys(("out_scale", "out_bias", "alpha"), (Kind.FLOAT,)),
}
"""Attributes of the operators that ONNX does not define."""
OWN_INPUTS: Mapping[str, tuple[int, int]] = {
    "Quant": (4, 4),
    "IntQuant": (4, 4),
    "BipolarQuant": (2, 2),
    "MultiThreshold": (2, 2),
    "Trunc": (5, 6),
    "RequantShift": (3, 3),
    "QuantizeLinear": (2, 3),
    "DequantizeLinear": (2, 3),
    "QGemm": (6, 9),
    "QLinearAdd": (7, 8),
    "QLinearMul": (7, 8),
    "QLinearLeakyRelu": (4, 5),
    "QLinearSigmoid": (4, 5),
    "QLinearAveragePool": (4, 5),
    "QLinearGlobalAveragePool": (5, 5),
    "QLinearSoftmax": (5, 5),
}
"""Fewest and most inputs of operators that ONNX does not define."""
INFINITE = ("Clip", "Constant")
"""Operators whose attributes may be infinite."""


def check_node(node: Node, opset: int) -> None:
    """Refuse a node without the inputs or attributes that it must have, or with others than its operator knows."""
    _refuse_subgraphs(node)
    if not any(node.outputs):
        raise node.error("makes nothing", AGAIN)
    schema = _schema(node, opset)
    known = schema.attributes if schema is not None else {}
    _check_required(node, known)
    if schema is not None and node.domain in (*STANDARD, CHANNELS_LAST):
        _check_ends(node, schema)
    elif node.op in OWN_INPUTS:
        _check_inputs(node, *OWN_INPUTS[node.op])
    for name, value in node.attributes.items():
        kinds = (known[name].type,) if name in known else OWN_ATTRIBUTES.get(name, ())
        _check_attribute(node, name, value, kinds)


def _refuse_subgraphs(node: Node) -> None:
    """An `If` that is still there is refused by its own name."""
    for name, value in node.attributes.items():
        if isinstance(value, Branch) and node.op != "If":
            raise node.error(f"has a subgraph '{name}'", "export the network without control flow")


def _schema(node: Node, opset: int) -> OpSchema | None:
    """The standard operator's, also for the QLinear form and the channels-last form of one."""
    op = node.op if node.domain in STANDARD else node.op.removeprefix("QLinear").replace("QGemm", "Gemm")
    return onnx.defs.get_schema(op, opset) if onnx.defs.has(op, opset) else None


def _check_required(node: Node, known: Mapping[str, OpSchema.Attribute]) -> None:
    for name, attribute in known.items():
        if attribute.required and name not in node.attributes:
            raise node.error(f"lacks the attribute '{name}'", AGAIN)


def _check_ends(node: Node, schema: OpSchema) -> None:
    if len(node.outputs) > schema.max_output:
        raise node.error(f"has {len(node.outputs)} outputs of at most {schema.max_output}", AGAIN)
    _check_inputs(node, schema.min_input, schema.max_input)
    if node.op != "Resize" and "" in node.inputs[: schema.min_input]:  # torch leaves roi out
        index = node.inputs.index("")
        raise node.error(f"lacks input {index}" if index else "has no input", AGAIN)


def _check_inputs(node: Node, fewest: int, most: int) -> None:
    count = len(node.inputs)
    if not fewest <= count <= most:
        wanted = f"at least {fewest}" if count < fewest else f"at most {most}"
        raise node.error(f"has {count} inputs of {wanted}", AGAIN)


def _check_attribute(node: Node, name: str, value: Any, kinds: tuple[Kind, ...]) -> None:
    known = [OF_KIND[kind] for kind in kinds if kind in OF_KIND]
    if known and not any(fits(value) for _, fits in known):
        raise node.error(f"has an attribute '{name}' that is not {known[0][0]}", AGAIN)
    if kinds and node.op not in INFINITE and not _is_finite(value):
        raise node.error(f"has an attribute '{name}' that is not finite", AGAIN)


def _is_finite(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return all(np.isfinite(number) for number in numbers if isinstance(number, float))
