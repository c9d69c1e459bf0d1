# SPDX-License-Identifier: Apache-2.0
"""A quantiser of any dialect, applied to a constant, to a host tensor, or to an exact function of a layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from bitwright.exact.functions import Function
from bitwright.exact.rounding import round_exact
from bitwright.exact.tabulate import tabulate
from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import image, per_channel
from bitwright.frontend.model import Array, Node
from bitwright.frontend.values import ONE, ZERO, Const, Host, Pool, Tensor, Value, fractions, spread, squeeze
from bitwright.ir.host import ROUND
from bitwright.ir.layers import MaxPool, PerChannel, Requantise, Rounding, Table, window_shape
from bitwright.ir.types import BIPOLAR, IntType

HOST_ROUNDING = (
    Rounding.HALF_EVEN,
    Rounding.HALF_AWAY,
    Rounding.HALF_ZERO,
    Rounding.FLOOR,
    Rounding.CEIL,
    Rounding.TO_ZERO,
    Rounding.FROM_ZERO,
    Rounding.SIGN,
)
"""The rounding of each key of `ir.host.ROUND`."""

TABLE_BITS = 16


@dataclass(frozen=True, eq=False)
class Quantiser:
    """codes = clip(R(x / scale + before), low, high) + after.

    `scale` and `before` are float32 as in the file and broadcast against the tensor; low and high are integers, per
    channel arrays where the width is. With `reciprocal` x is multiplied by float32(1 / scale), as PyTorch does it.
    """

    scale: Array
    before: Array
    after: int
    low: Array
    high: Array
    rounding: Rounding
    reciprocal: bool = False

    @property
    def type(self) -> IntType:
        """The narrowest type of the codes."""
        if self.rounding is Rounding.SIGN:
            return BIPOLAR
        return IntType(int(self.low.min()) + self.after, int(self.high.max()) + self.after)

    def codes(self, array: Array) -> Array:
        """The codes of real values, computed in float32 as the source does."""
        x = array.astype(np.float32)
        value = (x * (np.float32(1) / self.scale) if self.reciprocal else x / self.scale) + self.before
        rounded = ROUND[HOST_ROUNDING.index(self.rounding)](value)
        return np.asarray(rounded.clip(self.low, self.high) + self.after, dtype=np.float64).astype(np.int64)


def quantise(builder: Builder, node: Node, quantiser: Quantiser, value: Value, *, as_codes: bool = False) -> Value:
    """`value` through `quantiser`; with `as_codes` the result is the integers themselves (ONNX QuantizeLinear)."""
    if not (np.isfinite(quantiser.scale).all() and (quantiser.scale > 0).all()):
        raise node.error("has a scale that is not a positive number", "export the model again with a valid scale")
    match value:
        case Const():
            return _constant(quantiser, value, as_codes)
        case Host():
            made: Value = _on_host(builder, node, quantiser, value)
        case Tensor():
            made = _on_chip(builder, node, quantiser, value)
    assert isinstance(made, Tensor)
    return replace(made, scale=(ONE,), offset=(ZERO,)) if as_codes else made


def _constant(quantiser: Quantiser, value: Const, as_codes: bool) -> Const:
    codes = quantiser.codes(value.array)
    if as_codes:
        return Const(codes)
    zero = quantiser.before + np.float32(quantiser.after)
    real = ((codes - zero) * quantiser.scale).astype(np.float32)
    return Const(real, codes, quantiser.scale, np.asarray(zero))


def _on_host(builder: Builder, node: Node, quantiser: Quantiser, value: Host) -> Tensor:
    if value.side == "output":
        raise node.error(
            "quantises a value that only the host can compute", "quantise around the float operators, or remove them"
        )
    scale, before = fractions(quantiser.scale), fractions(quantiser.before)
    if scale.size > 1 or before.size > 1:
        raise node.error("quantises the input per channel", "use one scale for the input")
    constants = (
        quantiser.scale.astype(np.float32),
        quantiser.before.astype(np.float32),
        np.float32(quantiser.after),
        np.float32(quantiser.low),
        np.float32(quantiser.high),
    )
    name = builder.host_step(
        "input",
        "quantise",
        (value.name,),
        tuple(np.asarray(constant) for constant in constants),
        attributes=(
            ("rounding", HOST_ROUNDING.index(quantiser.rounding)),
            ("reciprocal", int(quantiser.reciprocal)),
        ),
        node=(node.name, node.op),
        reason="quantises the real-valued input",
        output=f"{node.name}.quantised",
    )
    zero = before.reshape(-1)[0] + quantiser.after
    made = Host(name, value.shape, "input")
    return builder.input(node.name, made, quantiser.type, (scale.reshape(-1)[0],), (zero,), node.name)


def _on_chip(builder: Builder, node: Node, quantiser: Quantiser, tensor: Tensor) -> Tensor:
    parameters = (quantiser.scale, quantiser.before, quantiser.low, quantiser.high)
    tensor, (step, before, low, high) = per_channel(builder, tensor, node, *map(fractions, parameters))
    if quantiser.reciprocal:
        step = tuple(1 / Fraction(float(np.float32(1) / np.float32(float(s)))) for s in step)
    if tensor.function:
        return _table(builder, node, quantiser, tensor, step, before)
    pools, tensor = tensor.pools, replace(tensor, pools=())
    size = max(map(len, (tensor.scale, tensor.offset, tensor.low, tensor.high, step, before, low, high)))
    steps, zeros = spread(step, size), spread(before, size)
    multiplier = squeeze(tuple(a / s for a, s in zip(spread(tensor.scale, size), steps, strict=True)))
    offset = squeeze(tuple(b / s + z for b, s, z in zip(spread(tensor.offset, size), steps, zeros, strict=True)))
    limits = [
        _limit(quantiser.rounding, bound, s, z, int(lo), int(hi))
        for bounds in (tensor.low, tensor.high)
        for bound, s, z, lo, hi in zip(
            spread(bounds, size), steps, zeros, spread(low, size), spread(high, size), strict=True
        )
    ]
    lows = squeeze(
        tuple(lo if x is None else x for x, lo in zip(limits[:size], map(int, spread(low, size)), strict=True))
    )
    highs = squeeze(
        tuple(hi if x is None else x for x, hi in zip(limits[size:], map(int, spread(high, size)), strict=True))
    )
    old = builder.layers[tensor.layer]
    zero = squeeze(tuple(z + quantiser.after for z in before))
    kind = quantiser.type
    if kind is not BIPOLAR:
        kind = IntType(min(lows) + quantiser.after, max(highs) + quantiser.after)
    plain = multiplier == (ONE,) and offset == (Fraction(-quantiser.after),) and quantiser.rounding is not Rounding.SIGN
    if plain and kind.lo <= old.type.lo and old.type.hi <= kind.hi and len(lows) == len(highs) == 1:
        name = tensor.layer  # the same codes again: nothing to compute
    else:
        name = builder.add(
            Requantise(
                name=node.name,
                inputs=(tensor.layer,),
                shape=old.shape,
                type=kind,
                scale=step,
                zero=zero,
                multiplier=multiplier,
                offset=offset,
                rounding=quantiser.rounding,
                low=lows,
                high=highs,
                shift=quantiser.after,
                source=(*(name for name, _ in tensor.nodes), node.name),
            )
        )
    made = builder.codes(name, tensor.where)
    for pool in pools:
        made = add_pool(builder, node, made, pool)
    return made


def _limit(
    rounding: Rounding, bound: Fraction | None, step: Fraction, zero: Fraction, low: int, high: int
) -> int | None:
    """A clip before the quantiser as a limit on codes: R is monotone, so it may be rounded first."""
    return None if bound is None else min(max(round_exact(rounding, bound / step + zero), low), high)


def _table(
    builder: Builder, node: Node, quantiser: Quantiser, tensor: Tensor, step: PerChannel, before: PerChannel
) -> Tensor:
    layer = builder.layers[tensor.layer]
    scalars = (tensor.scale, tensor.offset, tensor.low, tensor.high, step, before, layer.scale, layer.zero)
    if layer.type.count > 1 << TABLE_BITS or any(len(values) > 1 for values in scalars) or quantiser.low.size > 1:
        raise node.error(
            f"follows a function of a tensor of type {layer.type}: too wide for a table, or with scales per channel",
            f"quantise the activation to at most {TABLE_BITS} bits before the function",
        )
    (scale,), (zero,) = layer.scale, layer.zero
    function: Function = tensor.function
    if tensor.bounded:
        bounds = ["" if b is None else str(b) for b in (tensor.low[0], tensor.high[0])]
        function = (("clip", *bounds), *function)
    ratio, rest = tensor.scale[0] / scale, tensor.offset[0] + tensor.scale[0] * zero
    if (ratio, rest) != (ONE, ZERO):
        function = (("affine", str(ratio), str(rest)), *function)
    function = (*function, ("affine", str(1 / step[0]), str(before[0])))
    low, high = int(quantiser.low), int(quantiser.high)
    entries = tabulate(
        function,
        layer.type,
        scale=scale,
        zero=zero,
        rounding=quantiser.rounding,
        low=low,
        high=high,
        shift=quantiser.after,
    )
    name = builder.add(
        Table(
            name=node.name,
            inputs=(tensor.layer,),
            shape=layer.shape,
            type=quantiser.type,
            scale=step,
            zero=(before[0] + quantiser.after,),
            entries=entries,
            function=function,
            rounding=quantiser.rounding,
            low=low,
            high=high,
            shift=quantiser.after,
            source=(*(name for name, _ in tensor.nodes), node.name),
        )
    )
    made = builder.codes(name, tensor.where)
    for pool in tensor.pools:
        made = add_pool(builder, node, made, pool)
    return made


def add_pool(builder: Builder, node: Node, tensor: Tensor, pool: Pool) -> Tensor:
    """A max-pool layer over integers; `tensor` is (1, C, H, W)."""
    rank = len(tensor.where.shape)
    tensor = image(builder, tensor, node)
    old = builder.layers[tensor.layer]
    layer = MaxPool(
        name=pool.name,
        inputs=(tensor.layer,),
        shape=old.shape,
        type=old.type,
        scale=old.scale,
        zero=old.zero,
        kernel=pool.kernel,
        strides=pool.strides,
        dilations=pool.dilations,
        pads=pool.pads,
        source=(pool.name,),
    )
    shape = (*window_shape(layer, *old.shape[:2]), old.channels)
    name = builder.add(replace(layer, shape=shape))
    where = np.arange(shape[0] * shape[1] * shape[2]).reshape(shape).transpose(2, 0, 1)[None]
    where = where[:, :, 0] if rank == 3 else where
    return replace(tensor, layer=name, where=where)
