# SPDX-License-Identifier: Apache-2.0
"""Channels made twice: an outlier among the weights that read one becomes two halves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet
from bitwright.compress.transforms.chains import Chain, Draft, column_axis, columns

Array = NDArray[Any]
SHARE = 0.05
"""Of a layer's input channels that `split_outliers` makes twice, rounded up."""


def split_outliers(net: FloatNet) -> FloatNet:
    """The network in which one in twenty channels, those that the largest weights read, are made twice, read by half.

    Outlier channel splitting (Zhao, Hu, Dotzel, De Sa, Zhang: "Improving neural network quantization without retraining
    using outlier channel splitting", ICML 2019, arXiv 1901.09504; R011) by widening layers (Chen, Goodfellow, Shlens:
    "Net2Net", ICLR 2016; R015). A half is exact in float32, so that the function is the same but for the order of sums.
    """
    draft = Draft(net)
    for chain in list(draft.chains(through_depthwise=True)):
        reader, count = draft.layers[chain.reader], draft.channels(draft.layers[chain.maker])
        largest = np.abs(columns(draft, reader).reshape(count, -1)).max(axis=1)
        times = np.ones(count, np.int64)
        for _ in range(math.ceil(SHARE * count)):
            times[np.argmax(largest / times)] += 1
        widen(draft, chain, times)
    return draft.done()


def widen(draft: Draft, chain: Chain, times: Array) -> None:
    """Make each channel of a chain so many times, side by side; each is read by an equal part of its weights."""
    reader = draft.layers[chain.reader]
    count, total = len(times), int(times.sum())
    for name, axis in held(draft, chain):
        draft.set(name, np.repeat(draft.constants[name], times, axis=axis))
    for inner in chain.inner:
        if inner in draft.layers:
            node = draft.nodes[inner]
            draft.nodes[inner] = replace(node, attributes={**node.attributes, "group": total})
            draft.layers[inner] = replace(draft.layers[inner], groups=total)
    weight, axis = draft.constants[reader.weight], column_axis(draft, reader)
    blocks = np.moveaxis(weight, axis, 0).reshape(count, -1, *np.delete(weight.shape, axis))
    parts = np.repeat(blocks / times.reshape(-1, *[1] * (blocks.ndim - 1)), times, axis=0)
    draft.set(reader.weight, np.moveaxis(parts.reshape(-1, *blocks.shape[2:]), 0, axis))


def held(draft: Draft, chain: Chain) -> list[tuple[str, int]]:
    """The constants of the maker and of what is inside that hold something for each channel, with the axis of these."""
    maker = draft.layers[chain.maker]
    found = [(maker.weight, maker.axis), *((name, -1) for name in draft.nodes[maker.name].inputs[2:] if name)]
    for inner in chain.inner:
        node = draft.nodes[inner]
        if inner in draft.layers:
            found += [(draft.layers[inner].weight, 0), *((name, -1) for name in node.inputs[2:] if name)]
        found += draft.per_channel(node, maker)
    return found


TRANSFORMS = {"ocs": split_outliers}
