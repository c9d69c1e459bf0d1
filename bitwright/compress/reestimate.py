# SPDX-License-Identifier: Apache-2.0
"""The statistics of batch normalisations, from samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.execute import outputs_of
from bitwright.compress.network import FloatNet

Array = NDArray[Any]
SAMPLES = 512
"""That are looked at, at most."""


def reestimated(net: FloatNet, data: Sequence[Array]) -> FloatNet:
    """The network whose batch normalisations have the means and variances of samples, each behind those before it.

    After pruning or other changes of weights they are not what they were. Where a normalisation was folded, correcting
    biases does it for the means.
    """
    some = [array[:SAMPLES] for array in data]
    for node in net.nodes:
        if node.op == "BatchNormalization" and all(name in net.constants for name in node.inputs[1:]):
            (held,) = outputs_of(replace(net, outputs=(node.inputs[0],)), some)
            rows = np.moveaxis(held, 1, -1).reshape(-1, held.shape[1]).astype(np.float64)
            mean, variance = (node.inputs[place] for place in (3, 4))
            net = net.replace(**{mean: rows.mean(axis=0), variance: rows.var(axis=0)})
    return net
