# SPDX-License-Identifier: Apache-2.0
"""Gates in front of what reads a channel, all open: how each sample's loss moves with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet
from bitwright.compress.torch.executor import Executor
from bitwright.compress.torch.fit import given, labelled

Array = NDArray[Any]
Read = tuple[str, int, Array]
"""A weight, the axis along which it reads, and the number of the channel that is read at each index, -1 for none."""


def slopes(net: FloatNet, inputs: Sequence[Array], labels: Array, reads: Sequence[Read], count: int) -> Array:
    """The derivative of each sample's loss by each of `count` gates, (samples, gates).

    A gate multiplies a channel wherever a layer reads it: its slope is the sum of weights times their slopes.
    """
    module = Executor(net).eval()
    weights = {name: module.tensor(name).requires_grad_() for name, _, _ in reads}
    arrays, answers = given(net, (list(inputs), labels))
    assert answers is not None
    found = np.zeros((len(answers), count + 1))
    for sample, sums in enumerate(found):
        with torch.enable_grad():
            made = module.logits(*(x[sample : sample + 1] for x in arrays))
            loss = labelled(made, answers[sample : sample + 1])
            gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
        for name, axis, channels in reads:
            product = (weights[name] * gradients[name]).detach().movedim(axis, 0).reshape(len(channels), -1)
            np.add.at(sums, channels, product.sum(dim=1).numpy().astype(np.float64))
    return found[:, :count]
