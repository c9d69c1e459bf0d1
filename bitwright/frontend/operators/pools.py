# SPDX-License-Identifier: Apache-2.0
"""MaxPool: at once on integers, behind its quantiser on real values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import framed, image
from bitwright.frontend.operands import data_operand
from bitwright.frontend.operators.windows import largest_window
from bitwright.frontend.values import Host, Pool, Tensor, Value
from bitwright.ir.layers import MaxPool
from bitwright.reading.model import Node


def max_pool(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """MaxPool(x); ceil_mode pads at the end, and padded positions never win."""
    tensor = _operand(node, values)
    window, size = largest_window(node, tensor.where.shape)
    pool = Pool(node.name, window)
    if min(window.out(size)) < 1:
        raise node.error(f"has a kernel larger than its {size[0]} x {size[1]} input", "export the model again")
    if tensor.curved or tensor.bounded or not is_plain(builder, tensor):
        if tensor.pools:
            raise node.error("pools twice before a quantiser", "quantise the activation between the pools")
        return replace(tensor, pools=(pool,)).then(node.name, node.op)
    return add_pool(builder, node, tensor, pool)


def _operand(node: Node, values: tuple[Value | None, ...]) -> Tensor:
    """The activation that is pooled, a signal or an image."""
    tensor = data_operand(node, values)
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.error("asks for the places of its maxima", "only the values are supported")
    if isinstance(tensor, Host):
        raise node.error("pools a float tensor", "quantise the input first")
    if not isinstance(tensor, Tensor) or tensor.where.ndim not in (3, 4):
        raise node.error("pools a tensor that is no signal or image", "only MaxPool1d and MaxPool2d are supported")
    return tensor


def global_largest(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """GlobalMaxPool: the largest over every spatial axis."""
    value = data_operand(node, values)
    spatial = isinstance(value, Tensor) and value.where.ndim in (3, 4)
    sizes = list(value.where.shape[2:]) if isinstance(value, Tensor) and spatial else []
    return max_pool(builder, replace(node.acting("MaxPool"), attributes={"kernel_shape": sizes}), value)


def add_pools(builder: Builder, node: Node, made: Tensor, pools: tuple[Pool, ...]) -> Tensor:
    """The tensor behind the pools that waited for it."""
    for pool in pools:
        made = add_pool(builder, node, made, pool)
    return made


def is_plain(builder: Builder, tensor: Tensor) -> bool:
    """True for codes themselves, rising with their real value: then pooling them now is the cheapest."""
    layer = builder.layers[tensor.layer]
    return layer.op not in ("dense", "conv") and all(scale > 0 for scale in tensor.scale.values)


def add_pool(builder: Builder, node: Node, tensor: Tensor, pool: Pool) -> Tensor:
    """A max-pool layer over integers; `tensor` is (1, C, H, W)."""
    given = tensor.where.shape
    tensor = image(builder, tensor, node)
    old = builder.layers[tensor.layer]
    layer = MaxPool(
        name=pool.name,
        inputs=(tensor.layer,),
        shape=old.shape,
        type=old.type,
        scale=old.scale,
        zero=old.zero,
        window=pool.window,
        source=(pool.name,),
    )
    shape = (*pool.window.out((old.shape[0], old.shape[1])), old.channels)
    name = builder.add(replace(layer, shape=shape))
    where = np.arange(shape[0] * shape[1] * shape[2]).reshape(shape).transpose(2, 0, 1)[None]
    return replace(tensor, layer=name, where=framed(where, given))


OPERATORS: Mapping[str, Callable[..., Any]] = {"MaxPool": max_pool, "GlobalMaxPool": global_largest}
"""The handlers of the operators that are added here."""
