# SPDX-License-Identifier: Apache-2.0
"""Layout of TFLite: what only moves numbers does so on the codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bitwright.reading.model import Array
from bitwright.reading.tflite.file import Operator, Tensor
from bitwright.reading.tflite.writer import AGAIN, Writer, integers, operand, option, same

Handler = Callable[[Writer, Operator], None]
WHOLE = 2**31 - 1
"""A slice up to the end."""


def _moved(writer: Writer, operator: Operator, op: str, constants: Mapping[str, Any], **attributes: Any) -> None:
    """A layout operator: of codes where both ends have the same scale."""
    data, made = operand(writer, operator, 0), operator.outputs[0]
    inputs = [writer.entered(data, made)]
    inputs += [writer.constant(value, f"{made.name}/{name}") for name, value in constants.items()]
    value = writer.node(op, inputs, f"{made.name}/{op.lower()}", written=operator.name, **attributes)
    writer.left(value, data, made)


def reshape(writer: Writer, operator: Operator) -> None:
    """RESHAPE to constant sizes, or to sizes that follow from shapes."""
    made = operator.outputs[0]
    second = operator.inputs[1] if len(operator.inputs) > 1 else None
    if second is not None and second.value is None:
        data = operand(writer, operator, 0)
        sizes = writer.node("Cast", (second.name,), f"{made.name}/sizes", to=7)
        inputs = (writer.entered(data, made), sizes)
        value = writer.node("Reshape", inputs, f"{made.name}/reshape", written=operator.name)
        writer.left(value, data, made)
        return
    held = operator.options.integers(0) if operator.options is not None else ()
    wanted = held if second is None else tuple(integers(writer, operator, 1).reshape(-1).tolist())
    _moved(writer, operator, "Reshape", {"sizes": np.array(wanted, np.int64)}, allowzero=0)


def transpose(writer: Writer, operator: Operator) -> None:
    """TRANSPOSE."""
    _moved(writer, operator, "Transpose", {}, perm=integers(writer, operator, 1).reshape(-1).tolist())


def squeeze(writer: Writer, operator: Operator) -> None:
    """SQUEEZE: as the shapes say, since without axes all of length 1 go."""
    sizes = np.array([*_batch(operator), *operator.outputs[0].sizes[1:]], np.int64)
    _moved(writer, operator, "Reshape", {"sizes": sizes})


def expand(writer: Writer, operator: Operator) -> None:
    """EXPAND_DIMS."""
    _moved(writer, operator, "Unsqueeze", {"axes": integers(writer, operator, 1).reshape(-1)})


def pad(writer: Writer, operator: Operator) -> None:
    """PAD with zeros, PADV2 with a constant."""
    made, data = operator.outputs[0], operand(writer, operator, 0)
    ends = integers(writer, operator, 1)
    inputs = [writer.real(data), writer.constant(ends.T.reshape(-1), f"{made.name}/pads", np.int64)]
    inputs += [writer.real(tensor) for tensor in operator.inputs[2:3] if tensor is not None]
    writer.finish(writer.node("Pad", inputs, f"{made.name}/pad", written=operator.name, mode="constant"), made)


def mirror(writer: Writer, operator: Operator) -> None:
    """MIRROR_PAD without the border element; with it, a mode that ONNX has not, the elements are gathered."""
    ends = integers(writer, operator, 1)
    if not option(operator, 0, "b"):
        _moved(writer, operator, "Pad", {"pads": ends.T.reshape(-1)}, mode="reflect")
        return
    data, made = operand(writer, operator, 0), operator.outputs[0]
    value = writer.entered(data, made)
    for axis, (before, after) in enumerate(ends.tolist()):
        if before or after:
            places = np.pad(np.arange(data.sizes[axis]), (before, after), mode="symmetric")
            index = writer.constant(places, f"{made.name}/places{axis}")
            value = writer.node("Gather", [value, index], f"{made.name}/axis{axis}", written=operator.name, axis=axis)
    writer.left(value, data, made)


def slice_(writer: Writer, operator: Operator) -> None:
    """SLICE: from `begin`, as many as `size`, or all that are left where it is -1."""
    begin, size = (integers(writer, operator, i).reshape(-1) for i in (1, 2))
    ends = np.where(size < 0, WHOLE, begin + size)
    _moved(writer, operator, "Slice", {"starts": begin, "ends": ends, "axes": np.arange(len(begin))})


def strided_slice(writer: Writer, operator: Operator) -> None:
    """STRIDED_SLICE without new axes; those that shrink go."""
    made = operator.outputs[0]
    begin, end, steps = (integers(writer, operator, i).reshape(-1) for i in (1, 2, 3))
    masks = [option(operator, i, "i") for i in range(5)]
    if masks[2] or masks[3]:
        raise writer.error(made.name, operator.name, "adds axes, or stands for several", "slice every axis by itself")
    rows = zip(begin.tolist(), end.tolist(), steps.tolist(), strict=True)
    spans = [_span(*row, [mask >> axis & 1 for mask in masks]) for axis, row in enumerate(rows)]
    starts, ends, strides = (np.array(row, np.int64) for row in zip(*spans, strict=True))
    shrunk = np.flatnonzero(masks[4] >> np.arange(len(steps)) & 1)
    constants = {"starts": starts, "ends": ends, "axes": np.arange(len(steps)), "steps": strides}
    _sliced(writer, operator, (operand(writer, operator, 0), made), constants, shrunk.tolist())


def _span(begin: int, end: int, step: int, masks: list[int]) -> tuple[int, int, int]:
    """Start, end and step along an axis, as ONNX writes them: no mask, one element where the axis shrinks."""
    if masks[4]:
        return begin, begin + 1 or WHOLE, 1
    first, last = (0, WHOLE) if step > 0 else (WHOLE, -WHOLE)
    return first if masks[0] else begin, last if masks[1] else end, step


def split(writer: Writer, operator: Operator) -> None:
    """SPLIT (axis, data) and SPLIT_V (data, sizes, axis)."""
    place, at = (1, 0) if operator.name == "SPLIT" else (0, 2)
    axis = int(integers(writer, operator, at).reshape(-1)[0])
    _pieces(writer, operator, operand(writer, operator, place), axis, keep=True)


def unpack(writer: Writer, operator: Operator) -> None:
    """UNPACK: slices of one, without their axis."""
    _pieces(writer, operator, operand(writer, operator, 0), option(operator, 1, "i"), keep=False)


def _pieces(writer: Writer, operator: Operator, data: Tensor, axis: int, *, keep: bool) -> None:
    """Slices along an axis, one for each output."""
    if not -len(data.sizes) <= axis < len(data.sizes):
        raise writer.error(operator.outputs[0].name, operator.name, f"cuts along axis {axis}", AGAIN)
    axis, start = axis % len(data.sizes), 0
    for made in operator.outputs:
        end = start + (made.sizes[axis] if keep else 1)
        cut = {"starts": np.array([start]), "ends": np.array([end]), "axes": np.array([axis])}
        _sliced(writer, operator, (data, made), cut, [] if keep else [axis])
        start = end


def _sliced(
    writer: Writer, operator: Operator, ends: tuple[Tensor, Tensor], constants: Mapping[str, Array], dropped: list[int]
) -> None:
    """A slice from the first of `ends` to the second, without the axes that are dropped."""
    data, made = ends
    inputs = [writer.entered(data, made)]
    inputs += [writer.constant(value, f"{made.name}/{name}", np.int64) for name, value in constants.items()]
    value = writer.node("Slice", inputs, f"{made.name}/slice", written=operator.name)
    if dropped:
        axes = writer.constant(dropped, f"{made.name}/dropped", np.int64)
        value = writer.node("Squeeze", (value, axes), f"{made.name}/squeeze")
    writer.left(value, data, made)


def pack(writer: Writer, operator: Operator) -> None:
    """PACK: a new axis, along which the operands are joined."""
    made, axis = operator.outputs[0], option(operator, 1, "i")
    pieces = [operand(writer, operator, i) for i in range(len(operator.inputs))]
    odd = next((piece for piece in pieces if not same(piece, made)), made)  # one on another scale: all are real
    axes = writer.constant([axis], f"{made.name}/axes", np.int64)
    read = [writer.entered(piece, made) if odd is made else writer.real(piece) for piece in pieces]
    names = [writer.node("Unsqueeze", (name, axes), f"{made.name}/piece") for name in read]
    value = writer.node("Concat", names, f"{made.name}/concat", written=operator.name, axis=axis)
    writer.left(value, odd, made)


def to_space(writer: Writer, operator: Operator) -> None:
    """DEPTH_TO_SPACE, channels last."""
    data, made = operand(writer, operator, 0), operator.outputs[0]
    value = writer.first(writer.entered(data, made), made.name)
    size = option(operator, 0, "i")
    value = writer.node("DepthToSpace", (value,), f"{made.name}/blocks", written=operator.name, blocksize=size)
    writer.left(writer.last(value, made.name), data, made)


def to_depth(writer: Writer, operator: Operator) -> None:
    """SPACE_TO_DEPTH, channels last: the pixels of a block behind one another."""
    data, made = operand(writer, operator, 0), operator.outputs[0]
    size, (rows, columns, channels) = option(operator, 0, "i"), made.sizes[1:]
    apart = writer.constant([-1, rows, size, columns, size, data.sizes[3]], f"{made.name}/apart", np.int64)
    joined = writer.constant([-1, rows, columns, channels], f"{made.name}/joined", np.int64)
    value = writer.node("Reshape", (writer.entered(data, made), apart), f"{made.name}/blocks", written=operator.name)
    value = writer.node("Transpose", (value,), f"{made.name}/behind", perm=[0, 1, 3, 2, 4, 5])
    writer.left(writer.node("Reshape", (value, joined), f"{made.name}/pixels"), data, made)


def resize(mode: str, corners: int) -> Handler:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR; `corners` is the field of align_corners."""

    def handler(writer: Writer, operator: Operator) -> None:
        made, data = operator.outputs[0], operand(writer, operator, 0)
        aligned, centred = option(operator, corners, "?"), option(operator, corners + 1, "?")
        where = "align_corners" if aligned else "half_pixel" if centred else "asymmetric"
        near = "round_prefer_ceil" if aligned or centred else "floor"
        moves = mode == "nearest"
        value = writer.first(writer.entered(data, made) if moves else writer.real(data), made.name)
        sizes = writer.constant([1, made.sizes[3], *made.sizes[1:3]], f"{made.name}/sizes", np.int64)
        value = writer.node(
            "Resize",
            (value, "", "", sizes),
            f"{made.name}/resize",
            written=operator.name,
            mode=mode,
            coordinate_transformation_mode=where,
            nearest_mode=near,
        )
        value = writer.last(value, made.name)
        if moves:
            writer.left(value, data, made)
        else:
            writer.finish(value, made)

    return handler


def batch_matmul(writer: Writer, operator: Operator) -> None:
    """BATCH_MATMUL, either side transposed."""
    made, names = operator.outputs[0], []
    for i in (0, 1):
        tensor = operand(writer, operator, i)
        name = writer.real(tensor)
        if option(operator, i, "?"):
            axes = list(range(len(tensor.sizes)))
            axes[-2:] = axes[:-3:-1]
            name = writer.node("Transpose", (name,), f"{made.name}/turned", perm=axes)
        names.append(name)
    writer.finish(writer.node("MatMul", names, f"{made.name}/product", written=operator.name), made)


def gather(writer: Writer, operator: Operator) -> None:
    """GATHER at constant indices."""
    if option(operator, 1, "i"):
        raise writer.error(operator.outputs[0].name, operator.name, "gathers for each sample", "use one set of indices")
    _moved(writer, operator, "Gather", {"indices": integers(writer, operator, 1)}, axis=option(operator, 0, "i"))


def shape(writer: Writer, operator: Operator) -> None:
    """SHAPE."""
    value = writer.node("Shape", (writer.codes(operand(writer, operator, 0)),), f"{operator.outputs[0].name}/shape")
    writer.become(value, operator.outputs[0])


def _batch(operator: Operator) -> tuple[int, ...]:
    return (-1,) if operator.outputs[0].sizes else ()
