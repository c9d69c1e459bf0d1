# SPDX-License-Identifier: Apache-2.0
"""Mutations of constants: types, shapes, values, where the data lies. Each changes a protobuf in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.structure import HOSTILE, INTEGERS, REALS, Proto, Rng, pick, tensor_names

LOCATIONS = (
    *(
        "../outside.data",
        "/etc/passwd",
        "missing.data",
        "",
        ".",
        "net.onnx",
        "beside.data",
        "link.data",
        "x" * 300,
        "a\x00b",
    ),
    *("beside.data/..", "./beside.data", "folder", "\\\\server\\share", "/dev/zero", "/dev/stdin", "loop"),
)
EXTERNAL = (*("offset", "length"), *("checksum", "nonsense"))
NUMBERS = ("0", "1", "4", "-1", "1e9", "x", "", str(1 << 40), str(1 << 63), str(1 << 200), " 8 ", "0x10")


def change_scalar(proto: Proto, rng: Rng) -> None:
    """Scales, zero points and bounds are single numbers: one becomes an extreme of its type."""
    tensor = pick(rng, [t for t in proto.graph.initializer if np.prod(t.dims) <= 16])
    if tensor is not None:
        _rewrite(tensor, rng)


def change_value(proto: Proto, rng: Rng) -> None:
    if tensor := pick(rng, proto.graph.initializer):
        _rewrite(tensor, rng)


def tweak(proto: Proto, rng: Rng) -> None:
    """A few numbers of a constant move a little, within what their type holds: most of these models load."""
    tensor = pick(rng, proto.graph.initializer)
    array = None if tensor is None else _array(tensor)
    if array is None or array.size == 0 or array.dtype.kind not in "iuf":
        return
    places = rng.random(array.shape) < pick(rng, (0.1, 1.0))
    if array.dtype.kind == "f":
        array[places] *= np.float32(pick(rng, (0.5, 2.0, 0.75, 1.1, 3.0, -1.0)))
    else:
        info = np.iinfo(array.dtype)
        moved = array.astype(np.float64) + int(rng.integers(-3, 4))
        array[places] = np.clip(moved, max(info.min, -(2**31)), min(info.max, 2**31))[places].astype(array.dtype)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _rewrite(tensor: onnx.TensorProto, rng: Rng) -> None:
    array = _array(tensor)
    if array is None or array.size == 0 or array.dtype.kind not in "iuf":
        return
    value = pick(rng, REALS) if array.dtype.kind == "f" else pick(rng, INTEGERS)
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        new = np.array([value]).astype(array.dtype)[0]
    if rng.random() < 0.5:
        flat[:] = new
    elif rng.random() < 0.3:
        flat[:] = -flat
    else:
        flat[int(rng.integers(flat.size))] = new
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _array(tensor: onnx.TensorProto) -> Any:
    """The tensor's value, writable, or None if an earlier mutation broke it or moved it out."""
    if tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        return np.array(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError):
        return None


def convert(proto: Proto, rng: Rng) -> None:
    """A constant of another type with the same values, as far as they fit."""
    kinds = (np.float16, np.float32, np.float64, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64, np.bool_)
    tensor = pick(rng, proto.graph.initializer)
    array = None if tensor is None else _array(tensor)
    if array is not None and array.dtype.kind in "iufb":
        with np.errstate(all="ignore"):
            tensor.CopyFrom(numpy_helper.from_array(array.astype(pick(rng, (*kinds, np.complex64))), tensor.name))


def relabel(proto: Proto, rng: Rng) -> None:
    """The declared type changes, the bytes stay."""
    if tensor := pick(rng, proto.graph.initializer):
        tensor.data_type = pick(rng, (*range(28), 99, -1))


def reshape(proto: Proto, rng: Rng) -> None:
    """The declared shape changes, the bytes stay."""
    if tensor := pick(rng, proto.graph.initializer):
        dims = list(tensor.dims) or [1]
        dims[int(rng.integers(len(dims)))] = pick(rng, INTEGERS)
        tensor.dims[:] = pick(rng, (dims, [], [1, *tensor.dims], tensor.dims[::-1], [1 << 31, 1 << 31], [0], [1] * 40))


def recut(proto: Proto, rng: Rng) -> None:
    """Shape and bytes change together: another rank, fewer channels, none at all."""
    tensor = pick(rng, proto.graph.initializer)
    array = None if tensor is None else _array(tensor)
    if array is None:
        return
    cuts = [array.reshape(-1), array[None], array[..., None], array.reshape(-1)[:1], array.reshape(-1)[:0], array.T]
    cuts += [array[:1], array[:0], np.concatenate([array, array])] if array.ndim else []
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(pick(rng, cuts)), tensor.name))


def truncate(proto: Proto, rng: Rng) -> None:
    tensor = pick(rng, [t for t in proto.graph.initializer if t.raw_data])
    if tensor is not None:
        tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data)))]


def strings(proto: Proto, rng: Rng) -> None:
    if tensor := pick(rng, proto.graph.initializer):
        tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.STRING, [2], [b"a", b"\xff"]))


def sparse(proto: Proto, rng: Rng) -> None:
    """A constant becomes a sparse one, or an attribute does."""
    tensor = pick(rng, proto.graph.initializer)
    if tensor is None:
        return
    values = helper.make_tensor(tensor.name, TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor(f"{tensor.name}.places", TensorProto.INT64, [1], [pick(rng, INTEGERS)])
    made = helper.make_sparse_tensor(values, places, list(tensor.dims) or [1])
    if rng.random() < 0.5:
        proto.graph.sparse_initializer.append(made)
        proto.graph.initializer.remove(tensor)
    else:
        proto.graph.node.append(helper.make_node("Constant", [], [tensor.name], sparse_value=made))
        proto.graph.initializer.remove(tensor)


def external(proto: Proto, rng: Rng) -> None:
    """The data lies in another file: outside, missing, or at an absurd place."""
    tensor = pick(rng, proto.graph.initializer)
    if tensor is None:
        return
    tensor.data_location = TensorProto.EXTERNAL
    if rng.random() < 0.8:
        tensor.ClearField("raw_data")
    for key, value in (("location", pick(rng, LOCATIONS)), *((key, pick(rng, NUMBERS)) for key in EXTERNAL)):
        if rng.random() < 0.7:
            tensor.external_data.add(key=key, value=value)


def big_constant(proto: Proto, rng: Rng) -> None:
    """A small expression for a constant that no memory holds, read where another constant was."""
    node = pick(rng, [n for n in proto.graph.node if len(n.input) > 1])
    if node is None:
        return
    huge = pick(rng, (1 << 20, 1 << 31, 1 << 40))
    graph = proto.graph
    graph.initializer.append(helper.make_tensor("huge.shape", TensorProto.INT64, [2], [huge, huge]))
    graph.initializer.append(helper.make_tensor("huge.one", TensorProto.FLOAT, [1, 1], [1.0]))
    graph.initializer.append(helper.make_tensor("huge.count", TensorProto.INT64, [], [huge]))
    graph.initializer.append(helper.make_tensor("huge.pads", TensorProto.INT64, [4], [0, 0, huge, huge]))
    graph.initializer.append(helper.make_tensor("huge.zero", TensorProto.INT64, [], [0]))
    graph.initializer.append(helper.make_tensor("huge.step", TensorProto.INT64, [], [1]))
    made = pick(
        rng,
        (
            helper.make_node("ConstantOfShape", ["huge.shape"], ["huge"]),
            helper.make_node("Expand", ["huge.one", "huge.shape"], ["huge"]),
            helper.make_node("Tile", ["huge.one", "huge.shape"], ["huge"]),
            helper.make_node("Range", ["huge.zero", "huge.count", "huge.step"], ["huge"]),
            helper.make_node("Pad", ["huge.one", "huge.pads"], ["huge"]),
            helper.make_node("EyeLike", ["huge.one"], ["huge"]),
            helper.make_node("RandomNormal", [], ["huge"], shape=[huge, huge]),
        ),
    )
    graph.node.insert(0, made)
    node.input[int(rng.integers(1, len(node.input)))] = "huge"


def growth(proto: Proto, rng: Rng) -> None:
    """An activation that a layout operator blows up, in front of a node or a graph output."""
    node = pick(rng, [n for n in proto.graph.node if n.input])
    if node is None:
        return
    huge = pick(rng, (1 << 12, 1 << 20, 1 << 31, 1 << 40))
    constants = {
        "growth.scales": np.array([1, 1, huge, huge], np.float32),
        "growth.pads": np.array([0, 0, 0, 0, 0, 0, huge, huge]),
        "growth.none": np.array([], np.float32),
        "growth.repeats": np.array([1, 1, huge, huge]),
        "growth.places": np.zeros(1 << 14, np.int64),
        "growth.shape": np.array([1, huge, huge]),
    }
    source = node.input[0]
    made = pick(
        rng,
        (
            helper.make_node("Resize", [source, "growth.none", "growth.scales"], ["grown"]),
            helper.make_node("Upsample", [source, "growth.scales"], ["grown"]),
            helper.make_node("Pad", [source, "growth.pads"], ["grown"]),
            helper.make_node("Tile", [source, "growth.repeats"], ["grown"]),
            helper.make_node("Gather", [source, "growth.places"], ["grown"], axis=1),
            helper.make_node("Expand", [source, "growth.shape"], ["grown"]),
            helper.make_node("Reshape", [source, "growth.shape"], ["grown"]),
            helper.make_node("MaxPool", [source], ["grown"], kernel_shape=[1, 1], pads=[huge] * 4),
            helper.make_node("AveragePool", [source], ["grown"], kernel_shape=[huge, huge], pads=[huge - 1] * 4),
            helper.make_node("Split", [source], [f"grown{i or ''}" for i in range(300)], axis=1),
            helper.make_node("Concat", [source] * 300, ["grown"], axis=1),
            helper.make_node("Unsqueeze", [source], ["grown"], axes=list(range(1, 40))),
        ),
    )
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    proto.graph.node.append(made)
    node.input[0] = "grown"


def doubled(proto: Proto, rng: Rng) -> None:
    """A tower of sums or concatenations of a tensor with itself: sizes and values that grow exponentially."""
    node = pick(rng, [n for n in proto.graph.node if n.input])
    if node is None:
        return
    op, name = pick(rng, ("Add", "Concat", "Mul")), node.input[0]
    for level in range(int(rng.integers(4, 80))):
        made = helper.make_node(op, [name, name], [f"doubled{level}"], **({"axis": 1} if op == "Concat" else {}))
        proto.graph.node.append(made)
        name = f"doubled{level}"
    node.input[0] = name


def repeat_constant(proto: Proto, rng: Rng) -> None:
    """A constant twice, or under the name of another tensor."""
    if tensor := pick(rng, proto.graph.initializer):
        made = proto.graph.initializer.add()
        made.CopyFrom(tensor)
        made.name = pick(rng, (tensor.name, pick(rng, tensor_names(proto)), pick(rng, HOSTILE)))


TENSORS: tuple[Callable[[Proto, Rng], None], ...] = (
    *(
        tweak,
        tweak,
        tweak,
        tweak,
        tweak,
        change_scalar,
        change_scalar,
        change_value,
        convert,
        relabel,
        reshape,
        recut,
        truncate,
        strings,
    ),
    *(sparse, external, external, big_constant, growth, doubled, repeat_constant),
)
