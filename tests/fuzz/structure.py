# SPDX-License-Identifier: Apache-2.0
"""Mutations of a graph: nodes, edges, names, attributes, declarations. Each changes a protobuf in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper

from bitwright.frontend.lowering import HANDLERS

Rng = np.random.Generator
Proto = onnx.ModelProto

HOSTILE = (
    *("a;b", "../../etc/passwd", "/", "//", ".", "..", "", " ", "\n", "\x00", "\x1b[31mred\x1b[0m", "\t*/", "/*", "\\"),
    *(
        '"',
        "'",
        "`",
        "'; rm -rf ~; '",
        "$(id)",
        "${HOME}",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "<script>alert(1)</script>",
        "[bold]",
    ),
    *("int", "class", "template", "operator", "module", "endmodule", "logic", "wire", "begin", "input", "std::move"),
    *(
        "main",
        "top",
        "dut",
        "clk",
        "rst",
        "nul",
        "con",
        "x" * 300,
        "é" * 300,
        "变量",
        "\u202e\u2066",
        "\ud7ff",
        "1a",
        "a b",
    ),
    *(
        "x.codes",
        "x.quantised",
        "x_2",
        "%s%n",
        "__class__",
        "None",
        "0",
        "-1",
        "a\r\nb",
        "#pragma",
        "`include",
        "//x\\\n",
    ),
)
INTEGERS = (0, 1, -1, 2, 3, 7, 127, 255, -128, 1 << 16, 1 << 31, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63))
REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-30, 1e30, 3.4e38, float("inf"), float("-inf"), float("nan"))
EXTRA_OPS = (
    *(
        "If",
        "Loop",
        "Scan",
        "LSTM",
        "GRU",
        "RNN",
        "LayerNormalization",
        "Softmax",
        "Erf",
        "Exp",
        "Sqrt",
        "Pow",
        "Where",
    ),
    *(
        "ConstantOfShape",
        "Expand",
        "Range",
        "Tile",
        "NonZero",
        "Einsum",
        "RandomNormal",
        "Gather",
        "ReduceSum",
        "Equal",
    ),
    *("Loop", "StringNormalizer", "SequenceConstruct", "Optional", "QuantizeLinear", "DequantizeLinear", "Min", "Max"),
    *("FloatQuant", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "NoSuchOperator", ""),
)
DOMAINS = ("", "ai.onnx", "com.microsoft", "qonnx.custom_op.general", "qonnx.custom_op.channels_last", "nowhere", "\n")


def pick(rng: Rng, items: Any) -> Any:
    """One of the items; None of nothing."""
    return items[int(rng.integers(len(items)))] if len(items) else None


def tensor_names(proto: Proto) -> list[str]:
    graph = proto.graph
    names = [tensor.name for tensor in graph.initializer] + [info.name for info in graph.input]
    return names + [name for node in graph.node for name in node.output]


def drop_node(proto: Proto, rng: Rng) -> None:
    if proto.graph.node:
        del proto.graph.node[int(rng.integers(len(proto.graph.node)))]


def repeat_node(proto: Proto, rng: Rng) -> None:
    """A node twice: two makers of one tensor."""
    if node := pick(rng, proto.graph.node):
        proto.graph.node.add().CopyFrom(node)


def chain_node(proto: Proto, rng: Rng) -> None:
    """A node repeated behind itself, its readers moved to the copy."""
    node = pick(rng, [n for n in proto.graph.node if n.output and n.input])
    if node is None:
        return
    old, copy = node.output[0], onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[0], copy.output[0], copy.name = old, "copied", "copy"
    for reader in proto.graph.node:
        for i, name in enumerate(reader.input):
            if name == old:
                reader.input[i] = "copied"
    proto.graph.node.append(copy)


def swap_nodes(proto: Proto, rng: Rng) -> None:
    """Two nodes trade operators."""
    if len(proto.graph.node) > 1:
        a, b = (proto.graph.node[int(i)] for i in rng.choice(len(proto.graph.node), 2, replace=False))
        a.op_type, b.op_type = b.op_type, a.op_type


def change_op(proto: Proto, rng: Rng) -> None:
    if node := pick(rng, proto.graph.node):
        node.op_type = pick(rng, (*HANDLERS, *EXTRA_OPS))


def change_domain(proto: Proto, rng: Rng) -> None:
    if node := pick(rng, proto.graph.node):
        node.domain = pick(rng, DOMAINS)


def rewire(proto: Proto, rng: Rng) -> None:
    """An input reads another tensor, be it later (a cycle), nowhere, or none at all."""
    node = pick(rng, [n for n in proto.graph.node if n.input])
    if node is not None:
        node.input[int(rng.integers(len(node.input)))] = pick(rng, [*tensor_names(proto), "", "nowhere"])


def drop_input(proto: Proto, rng: Rng) -> None:
    node = pick(rng, [n for n in proto.graph.node if n.input])
    if node is not None:
        del node.input[int(rng.integers(len(node.input)))]


def add_input(proto: Proto, rng: Rng) -> None:
    if node := pick(rng, proto.graph.node):
        node.input.extend([pick(rng, [*tensor_names(proto), ""])] * int(rng.integers(1, 4)))


def swap_inputs(proto: Proto, rng: Rng) -> None:
    node = pick(rng, [n for n in proto.graph.node if len(n.input) > 1])
    if node is not None:
        names = list(node.input)
        rng.shuffle(names)
        node.input[:] = names


def change_outputs(proto: Proto, rng: Rng) -> None:
    """A node loses, gains or repeats an output."""
    if node := pick(rng, proto.graph.node):
        names = list(node.output)
        node.output[:] = pick(rng, ([], names * 2, [*names, "more"], [""] * len(names), names[:-1]))


def rename(proto: Proto, rng: Rng) -> None:
    """A tensor under a hostile name, everywhere."""
    old, new = pick(rng, tensor_names(proto)), pick(rng, HOSTILE)
    graph = proto.graph
    for thing in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        thing.name = new if thing.name == old else thing.name
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]


def rename_node(proto: Proto, rng: Rng) -> None:
    if node := pick(rng, proto.graph.node):
        node.name = pick(rng, (*HOSTILE, *(n.name for n in proto.graph.node)))


def clash(proto: Proto, rng: Rng) -> None:
    """One output or initialiser takes another's name."""
    names = tensor_names(proto)
    node = pick(rng, [n for n in proto.graph.node if n.output])
    thing = pick(rng, [*proto.graph.initializer, *proto.graph.input])
    if node is not None and rng.random() < 0.6:
        node.output[int(rng.integers(len(node.output)))] = pick(rng, names)
    elif thing is not None:
        thing.name = pick(rng, names)


def change_attribute(proto: Proto, rng: Rng) -> None:
    """An attribute takes an extreme value of its own type."""
    attribute = pick(rng, [a for node in proto.graph.node for a in node.attribute])
    if attribute is None:
        return
    match attribute.type:
        case AttributeProto.INT:
            attribute.i = pick(rng, INTEGERS)
        case AttributeProto.INTS:
            values = list(attribute.ints) or [1]
            values[int(rng.integers(len(values)))] = pick(rng, INTEGERS)
            attribute.ints[:] = pick(rng, (values, values[:-1], values * 2, [], values[::-1]))
        case AttributeProto.FLOAT:
            attribute.f = pick(rng, REALS)
        case AttributeProto.FLOATS:
            attribute.floats[:] = pick(rng, ([], [pick(rng, REALS)] * 3, list(attribute.floats)[::-1]))
        case AttributeProto.STRING:
            attribute.s = pick(rng, (b"", b"\xff\xfe", b"SAME_UPPER", b"VALID", b"FLOOR", b"linear", b"x" * 5000))
        case _:
            attribute.name = pick(rng, HOSTILE)


def tweak_attribute(proto: Proto, rng: Rng) -> None:
    """An attribute takes another value that it may well have: many of these models load."""
    attribute = pick(rng, [a for node in proto.graph.node for a in node.attribute])
    modes = (b"ROUND", b"CEIL", b"FLOOR", b"UP", b"DOWN", b"HALF_UP", b"HALF_DOWN", b"HALF_EVEN")
    if attribute is None:
        return
    match attribute.type:
        case AttributeProto.INT:
            attribute.i = int(rng.integers(-2, 4))
        case AttributeProto.INTS if attribute.ints:
            place = int(rng.integers(len(attribute.ints)))
            attribute.ints[place] = max(attribute.ints[place] + int(rng.integers(-2, 3)), 0)
        case AttributeProto.FLOAT:
            attribute.f *= pick(rng, (0.5, 2.0, 3.0, -1.0))
        case AttributeProto.STRING if attribute.name == "rounding_mode":
            attribute.s = pick(rng, modes)


def retype_attribute(proto: Proto, rng: Rng) -> None:
    """An attribute of another type, under its name or that of another."""
    node = pick(rng, [n for n in proto.graph.node if n.attribute])
    if node is None:
        return
    old = pick(rng, node.attribute)
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [2], [1.0, 2.0])
    value = pick(rng, (pick(rng, INTEGERS), pick(rng, REALS), b"\xff", "text", [1, 2], [1.5], [b"a"], tensor, [tensor]))
    old.CopyFrom(helper.make_attribute(old.name, value))
    if rng.random() < 0.2:
        old.type = int(rng.integers(0, 16))
    if rng.random() < 0.1:
        old.ref_attr_name = "elsewhere"


def drop_attribute(proto: Proto, rng: Rng) -> None:
    node = pick(rng, [n for n in proto.graph.node if n.attribute])
    if node is not None:
        del node.attribute[int(rng.integers(len(node.attribute)))]


def add_attribute(proto: Proto, rng: Rng) -> None:
    """An attribute that the operator may know, with a value that it may not expect."""
    names = ("axis", "axes", "pads", "strides", "dilations", "group", "auto_pad", "ceil_mode", "transA", "perm")
    more = ("signed", "narrow", "rounding_mode", "block_size", "output_dtype", "keepdims", "alpha", "to", "largest")
    if node := pick(rng, proto.graph.node):
        value = pick(rng, (pick(rng, INTEGERS), pick(rng, REALS), [pick(rng, INTEGERS)] * 2, [1] * 4, "VALID", b"\xff"))
        node.attribute.append(helper.make_attribute(pick(rng, names + more), value))


def subgraph(proto: Proto, rng: Rng) -> None:
    """A graph, a list of graphs, or itself many levels deep as an attribute."""
    if node := pick(rng, proto.graph.node):
        inner = onnx.GraphProto()
        for _ in range(int(rng.integers(0, 30))):
            outer = onnx.GraphProto()
            outer.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner))
            inner = outer
        value = pick(rng, (inner, [inner, inner], proto.graph))
        node.attribute.append(helper.make_attribute("body", value))


def functions(proto: Proto, rng: Rng) -> None:
    """A function of the model's own in place of an operator, or one that calls itself."""
    if node := pick(rng, proto.graph.node):
        body = [helper.make_node(pick(rng, (node.op_type, "Relu")), ["a"], ["b"], domain=node.domain)]
        made = helper.make_function(node.domain or "local", node.op_type or "f", ["a"], ["b"], body, [])
        proto.functions.append(made)


def change_input(proto: Proto, rng: Rng) -> None:
    """A declared input of another type or shape, or of none."""
    info = pick(rng, proto.graph.input)
    if info is None:
        return
    tensor = info.type.tensor_type
    dims = [dim.dim_value for dim in tensor.shape.dim]
    match int(rng.integers(7)):
        case 0:
            tensor.elem_type = int(rng.integers(0, 26))
        case 1:
            tensor.ClearField("shape")
        case 2:
            info.ClearField("type")
        case 3:
            info.type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT
        case 4:
            info.CopyFrom(helper.make_tensor_value_info(info.name, tensor.elem_type, [*dims, pick(rng, INTEGERS)]))
        case 5:
            info.CopyFrom(helper.make_tensor_value_info(info.name, tensor.elem_type, dims[:-1]))
        case _:
            if tensor.shape.dim:
                pick(rng, tensor.shape.dim).dim_value = pick(rng, INTEGERS)


def change_ends(proto: Proto, rng: Rng) -> None:
    """Inputs and outputs of the graph added, dropped, doubled."""
    side = pick(rng, (proto.graph.input, proto.graph.output))
    match int(rng.integers(3)):
        case 0 if side:
            del side[int(rng.integers(len(side)))]
        case 1:
            side.add().CopyFrom(
                helper.make_tensor_value_info(pick(rng, [*tensor_names(proto), "new"]), TensorProto.FLOAT, [1, 4])
            )
        case _ if side:
            side.add().CopyFrom(pick(rng, side))


def change_opset(proto: Proto, rng: Rng) -> None:
    match int(rng.integers(4)):
        case 0:
            del proto.opset_import[:]
        case 1 if proto.opset_import:
            pick(rng, proto.opset_import).version = pick(rng, (*INTEGERS, 6, 9, 10, 11, 13, 21, 25))
        case 2 if proto.opset_import:
            pick(rng, proto.opset_import).domain = pick(rng, DOMAINS)
        case _:
            proto.ir_version = pick(rng, INTEGERS)


STRUCTURE: tuple[Callable[[Proto, Rng], None], ...] = (
    *(
        drop_node,
        repeat_node,
        chain_node,
        swap_nodes,
        change_op,
        change_domain,
        rewire,
        drop_input,
        add_input,
        swap_inputs,
    ),
    *(change_outputs, rename, rename_node, clash, change_attribute, retype_attribute, drop_attribute, add_attribute),
    *(
        tweak_attribute,
        tweak_attribute,
        tweak_attribute,
        subgraph,
        functions,
        change_input,
        change_ends,
        change_opset,
        rename,
        change_attribute,
        change_attribute,
        rewire,
    ),
)
