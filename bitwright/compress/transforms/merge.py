# SPDX-License-Identifier: Apache-2.0
"""Channels that are multiples of another one are read through that one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet
from bitwright.compress.transforms.chains import Chain, Draft, column_axis
from bitwright.compress.transforms.widen import held

Array = NDArray[Any]
NEAR = 1e-6
"""The distance, of channels of unit norm, up to which one is a multiple of another."""


def merge(net: FloatNet) -> FloatNet:
    """The network without channels that are positive multiples of another, which is read by the sum of their weights.

    Srinivas, Babu: "Data-free parameter pruning for deep neural networks", BMVC 2015, arXiv 1507.06149; R063. Channels
    that go through depthwise layers, or meet slopes or one number for all, stay. It undoes `ocs` elsewhere.
    """
    draft = Draft(net)
    for chain in list(draft.chains(through_depthwise=True)):
        if not all(_is_homogeneous(draft, chain, name) for name in chain.inner):
            continue
        count = draft.channels(draft.layers[chain.maker])
        own = [np.moveaxis(draft.constants[name], axis, 0).reshape(count, -1) for name, axis in held(draft, chain)]
        rows = np.concatenate(own, axis=1).astype(np.float64)
        sizes = np.linalg.norm(rows, axis=1)
        first = _firsts(rows / np.where(sizes > 0, sizes, 1)[:, None])
        if (first != np.arange(count)).any():
            _narrow(draft, chain, first, sizes / np.where(sizes[first] > 0, sizes[first], 1))
    return draft.done()


def _is_homogeneous(draft: Draft, chain: Chain, name: str) -> bool:
    """True if a channel times a number comes out of a node times it, when what is added to it is multiplied as well."""
    node = draft.nodes[name]
    added = node.op != "Add" or bool(draft.per_channel(node, draft.layers[chain.maker]))
    return name not in draft.layers and node.op != "PRelu" and added


def _firsts(rows: Array) -> Array:
    """For each row of unit norm the first one that it equals."""
    first = np.arange(len(rows))
    for row in range(len(rows)):
        near = np.flatnonzero(np.linalg.norm(rows[:row] - rows[row], axis=1) <= NEAR)
        if len(near) and rows[row].any():
            first[row] = first[near[0]]
    return first


def _narrow(draft: Draft, chain: Chain, first: Array, factors: Array) -> None:
    """Leave the channels that are the first of theirs; the others' weights, times their factors, are added to those."""
    kept = np.unique(first)
    for name, axis in held(draft, chain):
        draft.set(name, np.take(draft.constants[name], kept, axis=axis))
    reader = draft.layers[chain.reader]
    weight, axis = draft.constants[reader.weight], column_axis(draft, reader)
    blocks = np.moveaxis(weight, axis, 0).reshape(len(first), -1, *np.delete(weight.shape, axis)).astype(np.float64)
    sums = np.zeros((len(kept), *blocks.shape[1:]))
    np.add.at(sums, np.searchsorted(kept, first), blocks * factors.reshape(-1, *[1] * (blocks.ndim - 1)))
    draft.set(reader.weight, np.moveaxis(sums.reshape(-1, *blocks.shape[2:]), 0, axis))


TRANSFORMS = {"merge": merge}
