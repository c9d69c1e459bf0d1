# SPDX-License-Identifier: Apache-2.0
"""Networks with fewer channels: by a criterion, as few as a target asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress.calibrate import check_arrays
from bitwright.compress.config import nearest_names
from bitwright.compress.groups import traced
from bitwright.compress.network import FloatNet, float_net
from bitwright.compress.prune.channels import Inseparable, without
from bitwright.compress.prune.choose import Kept, Ranked
from bitwright.compress.prune.facts import Facts
from bitwright.compress.prune.mend import mended
from bitwright.compress.prune.work import Work
from bitwright.compress.prune.worth import CHANNELS, Worth
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
APART = 1e-9
"""Between equal levels of one group and the next: channels go one by one."""
CRITERION = "norm"
"""Where none is named: it needs no data."""


def shrunk(
    model: str | Path | bytes | onnx.ModelProto | FloatNet,
    data: Array | Sequence[Array] | None = None,
    *,
    labels: Array | None = None,
    criterion: str | Worth = CRITERION,
    macs: float = 0.5,
    multiple: int = 1,
) -> FloatNet:
    """The network with those channels that a criterion, of `CHANNELS` or a `Worth`, finds best, within some `macs`.

    That is the multiply-accumulates of a sample: a share of those of the network, or a number from 1 on. In each group
    a `multiple` of channels stays: units of hardware divide them. `data` is an array or one per input, with `labels`
    where the criterion asks for the loss. What is left computes what the network does with the other channels unread;
    with data its weights and biases then make good what they can of that, layer by layer.
    """
    net = float_net(model)
    _check(macs, multiple)
    order = Order(net, data, labels=labels, criterion=criterion)
    work = Work(net)
    whole = work.macs([np.ones(group.size, bool) for group in net.groups])
    target = macs if macs > 1 else macs * whole
    kept = order.most(multiple, lambda kept: work.macs(kept) <= target)
    if kept is None:
        raise BitwrightError(
            f"no choice of channels leaves {target:,.0f} of {whole:,} multiply-accumulates",
            where=net.file,
            hint="ask for more, or for a smaller multiple" if multiple > 1 else "ask for more",
        )
    return order.left(kept)


class Order:
    """The order in which the channels of a network go, by a criterion of `CHANNELS`."""

    def __init__(
        self,
        net: FloatNet,
        data: Array | Sequence[Array] | None = None,
        *,
        labels: Array | None = None,
        criterion: str | Worth = CRITERION,
    ) -> None:
        if isinstance(criterion, str) and criterion not in CHANNELS:
            raise _refusal("criterion", repr(criterion), nearest_names(criterion, set(CHANNELS)))
        self.net, chosen = net, CHANNELS[criterion] if isinstance(criterion, str) else criterion
        self._data = _arrays(net, data)
        facts = Facts(net, self._data, labels)
        self._spans = traced(net.model).spans()
        self._whole = {place for place, group in enumerate(net.groups) if group.fixed}
        self._levels = [
            np.full(group.size, np.inf) if group.fixed else chosen.level(chosen.score(facts, group)) + APART * place
            for place, group in enumerate(net.groups)
        ]

    def most(self, multiple: int, allows: Callable[[Kept], bool]) -> Kept | None:
        """What stays when as few channels go as a target asks for; None where all that can go are too few."""
        while True:
            levels = [
                np.full_like(found, np.inf) if place in self._whole else found
                for place, found in enumerate(self._levels)
            ]
            try:
                kept = Ranked(self.net.groups, levels, self._spans, multiple).most(allows)
                if kept is not None:
                    without(self.net, kept)
                return kept
            except Inseparable as error:
                if error.groups <= self._whole:
                    raise
                self._whole |= error.groups

    def left(self, kept: Kept) -> FloatNet:
        """What is left of the network, which makes good what it can of the others if there is data."""
        if self._data is None or all(held.all() for held in kept):
            return without(self.net, kept)
        return without(mended(self.net, kept, self._data), kept)


def _check(macs: float, multiple: int) -> None:
    if not macs > 0:
        raise _refusal("macs", repr(macs), "give a share of the network's, as 0.5, or a number of them")
    if not isinstance(multiple, int) or multiple < 1:
        raise _refusal("multiple", repr(multiple), "give a number of channels, as 4")


def _refusal(option: str, given: str, hint: str) -> BitwrightError:
    return BitwrightError(f"{given} cannot be used for {option}", where="shrunk", hint=hint)


def _arrays(net: FloatNet, data: Array | Sequence[Array] | None) -> Sequence[Array] | None:
    if data is None:
        return None
    arrays: Sequence[Array] = data if isinstance(data, list | tuple) else [np.asarray(data)]
    check_arrays(net.inputs, arrays, "data")
    return arrays
