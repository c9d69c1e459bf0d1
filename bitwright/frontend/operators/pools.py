# SPDX-License-Identifier: Apache-2.0
"""MaxPool: at once on integers, behind its quantiser on real values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import image
from bitwright.frontend.operands import data_operand
from bitwright.frontend.operators.windows import pool_window
from bitwright.frontend.values import Host, Pool, Tensor, Value
from bitwright.ir.layers import MaxPool
from bitwright.reading.model import Node


def max_pool(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """MaxPool(x); ceil_mode pads at the end, and padded positions never win."""
    tensor = _operand(node, values)
    window, size = pool_window(node, tensor.where.shape)
    if node.attributes.get("ceil_mode", 0):
        window = window.ceiled(size)
    pool = Pool(node.name, window)
    if min(window.out(size)) < 1:
        raise node.error(f"has a kernel larger than its {size[0]} x {size[1]} input", "export the model again")
    if tensor.function or tensor.bounded or not is_plain(builder, tensor):
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


def over_all(node: Node, value: Value) -> Node:
    """The max-pool over every spatial axis of `value`."""
    if not isinstance(value, Tensor) or value.where.ndim not in (3, 4):
        return replace(node.acting("MaxPool"), attributes={"kernel_shape": []})
    return replace(node.acting("MaxPool"), attributes={"kernel_shape": list(value.where.shape[2:])})


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
        window=pool.window,
        source=(pool.name,),
    )
    shape = (*pool.window.out((old.shape[0], old.shape[1])), old.channels)
    name = builder.add(replace(layer, shape=shape))
    where = np.arange(shape[0] * shape[1] * shape[2]).reshape(shape).transpose(2, 0, 1)[None]
    where = where[:, :, 0] if rank == 3 else where
    return replace(tensor, layer=name, where=where)


OPERATORS: Mapping[str, Callable[..., Any]] = {"MaxPool": max_pool}
"""The handlers of the operators that are added here."""
