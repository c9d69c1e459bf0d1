# SPDX-License-Identifier: Apache-2.0
"""A quantiser of any dialect, applied to a constant, to a host tensor, or to an exact function of a layer."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects.joined import joined
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.dialects.requantise import on_chip
from bitwright.frontend.layouts import FIT
from bitwright.frontend.operators.joins import settled
from bitwright.frontend.values import Const, Host, Pieces, Settled, Tensor, Value, fractions
from bitwright.ir import host_ops
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.reading.model import Node

SMALLEST = np.finfo(np.float32).tiny
"""The least float32 scale of which all the larger ones have a reciprocal."""


def _check_numbers(node: Node, quantiser: Quantiser) -> None:
    if not (np.isfinite(quantiser.scale).all() and (quantiser.scale > 0).all()):
        raise node.error("has a scale that is not a positive number", "export the model again with a valid scale")
    if quantiser.reciprocal and quantiser.scale.min() < SMALLEST:
        raise node.error("has a scale whose reciprocal is no float32 number", "leave out the rounding of PyTorch")
    if not np.isfinite(quantiser.before).all():
        raise node.error("has a zero point that is not finite", "export the model again")


def quantise(builder: Builder, node: Node, quantiser: Quantiser, value: Value, *, as_codes: bool = False) -> Settled:
    """`value` through `quantiser`; with `as_codes` the result is the integers themselves (ONNX QuantizeLinear)."""
    _check_numbers(node, quantiser)
    made: Settled
    match value:
        case Const():
            return _constant(node, quantiser, value, as_codes)
        case Host():
            made = _on_host(builder, node, quantiser, value, as_codes)
        case Tensor():
            made = on_chip(builder, node, quantiser, joined(builder, node, quantiser, value))
        case Pieces():
            made = _each(builder, node, quantiser, value, as_codes)
    return replace(made, scale=ONES, offset=ZEROS) if as_codes and isinstance(made, Tensor) else made


def _each(builder: Builder, node: Node, quantiser: Quantiser, pieces: Pieces, as_codes: bool) -> Tensor:
    """The join of the codes of all parts; parameters per channel meet the join."""
    if any(values.size > 1 for values in (quantiser.scale, quantiser.before, quantiser.low, quantiser.high)):
        return on_chip(builder, node, quantiser, settled(builder, pieces))
    parts = [quantise(builder, node, quantiser, part) for part in pieces.parts]
    held = replace(pieces, parts=tuple(part for part in parts if not isinstance(part, Host)))
    codes = tuple(replace(part, scale=ONES, offset=ZEROS) if isinstance(part, Tensor) else part for part in held.parts)
    builder.pieces[node.outputs[0]] = replace(held, parts=codes) if as_codes else held
    return settled(builder, held)


def _check_shapes(node: Node, quantiser: Quantiser, shape: tuple[int, ...]) -> None:
    """Refuse parameters that do not broadcast to the shape of what they quantise."""
    for values in (quantiser.scale, quantiser.before, quantiser.low, quantiser.high):
        old = (1,) * (len(shape) - values.ndim) + values.shape
        if values.size > 1 and (len(old) > len(shape) or any(a not in (1, b) for a, b in zip(old, shape, strict=True))):
            raise node.error(f"quantises a tensor of shape {shape} with parameters of shape {values.shape}", FIT)


def _constant(node: Node, quantiser: Quantiser, value: Const, as_codes: bool) -> Const:
    if not np.isfinite(value.array).all():
        raise node.error("quantises a constant that is not finite", "export the model again")
    _check_shapes(node, quantiser, value.array.shape)
    codes = quantiser.codes(value.array)
    if as_codes:
        return Const(codes)
    zero = quantiser.before + np.float32(quantiser.after)
    real = ((codes - zero) * quantiser.scale).astype(np.float32)
    return Const(real, codes, quantiser.scale, np.asarray(zero))


def _on_host(builder: Builder, node: Node, quantiser: Quantiser, value: Host, as_codes: bool) -> Host | Tensor:
    """An input quantiser makes the integers that enter; behind the accelerator a quantiser is one more host step."""
    scale, before = fractions(quantiser.scale), fractions(quantiser.before)
    if scale.size > 1 or before.size > 1:
        raise node.error("quantises on the host per channel", "use one scale for the whole tensor")
    _check_shapes(node, quantiser, value.shape)
    does = host_ops.Quantise(
        scale=_number(quantiser.scale.astype(np.float32)),
        before=_number(quantiser.before.astype(np.float32)),
        after=_number(np.asarray(np.float64(quantiser.after))),
        low=_number(quantiser.low.astype(np.float64)),
        high=_number(quantiser.high.astype(np.float64)),
        rounding=quantiser.rounding,
        reciprocal=int(quantiser.reciprocal),
    )
    name = builder.host_step(
        value.side,
        does,
        (value.name,),
        node=(node.name, node.op),
        reason="quantises the real-valued input" if value.side == "input" else "quantises what the host computed",
        output=f"{node.name}.quantised",
    )
    zero = before.reshape(-1)[0] + quantiser.after
    made = Host(name, value.shape, value.side)
    if value.side == "output":
        return made if as_codes else _real(builder, made, scale.reshape(-1)[0], zero)
    return builder.input(
        node.name, made, quantiser.type, PerChannel.made(scale.reshape(-1)[0]), PerChannel.made(zero), node.name
    )


def _real(builder: Builder, codes: Host, scale: Fraction, zero: Fraction) -> Host:
    """The real values of codes on the host."""
    does = host_ops.Affine.unlimited(np.asarray(float(scale)), np.asarray(float(-scale * zero)))
    return replace(codes, name=builder.host_step(codes.side, does, (codes.name,)))


def _number(array: NDArray[Any]) -> host_ops.Constant:
    """A number without axes, or one for each channel."""
    return host_ops.Constant(array.reshape(()) if array.size == 1 else array)
