# SPDX-License-Identifier: Apache-2.0
"""Cross-layer equalisation: what one layer has too large in a channel and the next too small is shared between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet, Layer
from bitwright.compress.transforms.chains import WINDOWED, Chain, Draft, column_axis, columns

Array = NDArray[Any]
SWEEPS = 20
"""Over all pairs at most: a layer in the middle is of two."""
SETTLED = 1e-3
"""Of the logarithm of every factor."""


def equalise(net: FloatNet) -> FloatNet:
    """The network whose layers have, channel by channel, as large weights as those that read them.

    Nagel, van Baalen, Blankevoort, Welling: "Data-free quantization through weight equalization and bias correction",
    ICCV 2019, arXiv 1906.04721; R018. Each channel of a layer, its bias too, is divided by sqrt(r1 / r2), r1 and r2 the
    largest weights on both sides, and what reads it is multiplied. Between them is what a positive factor passes:
    Relu, LeakyRelu, PRelu, pools, flattening. Depthwise layers are the end of one pair and the beginning of the next.
    """
    draft = Draft(net)
    chains = list(draft.chains(through_depthwise=False))
    for _ in range(SWEEPS):
        moved = [_shared(draft, chain) for chain in chains]
        if max(moved, default=0.0) < SETTLED:
            break
    return draft.done()


def _shared(draft: Draft, chain: Chain) -> float:
    """Share the range of each channel between the ends of a chain; the largest logarithm of a factor."""
    maker, reader = draft.layers[chain.maker], draft.layers[chain.reader]
    weight = draft.constants[maker.weight]
    count = draft.channels(maker)
    first = np.abs(np.moveaxis(weight, maker.axis, 0).reshape(count, -1)).max(axis=1)
    second = np.abs(columns(draft, reader).reshape(count, -1)).max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.sqrt(first.astype(np.float64) / second)
    factors[~(np.isfinite(factors) & (factors > 0))] = 1
    draft.set(maker.weight, weight / maker.along(factors, weight))
    for name, axis in _added(draft, chain, maker):
        behind = factors.reshape(count, *[1] * (-1 - axis))
        draft.set(name, draft.constants[name] / behind)
    read = draft.constants[reader.weight]
    axis = column_axis(draft, reader)
    shape = [1] * read.ndim
    shape[axis] = read.shape[axis]
    draft.set(reader.weight, read * factors.repeat(read.shape[axis] // count).reshape(shape))
    return float(np.abs(np.log(factors)).max())


def _added(draft: Draft, chain: Chain, maker: Layer) -> list[tuple[str, int]]:
    """What is added to the channels, which is scaled as they are, with the axis that counts these."""
    given = [(name, -1) for name in draft.nodes[maker.name].inputs[2:] if name]
    behind = 1 - draft.constants[maker.weight].ndim if maker.op in WINDOWED else -1
    for inner in chain.inner:
        node = draft.nodes[inner]
        if node.op == "Add":
            given += [(name, behind) for name in node.inputs if name in draft.constants]
    return given


TRANSFORMS = {"equalise": equalise}
