# SPDX-License-Identifier: Apache-2.0
"""Channels taken out of a float network until its design meets a budget, by what `compile` makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import FloatNet, calibrate, quantised
from bitwright.compress.config import nearest_names
from bitwright.compress.options import Given
from bitwright.compress.prune.channels import Kept, without
from bitwright.compress.prune.shrink import CRITERION, Order
from bitwright.compress.prune.work import Work, macs
from bitwright.compress.prune.worth import Worth
from bitwright.explore.pricing import PRICED, price_of, priced
from bitwright.ir.errors import BitwrightError
from bitwright.planning.devices import part_of
from bitwright.planning.price import KINDS, Price, amounts, scale_of
from bitwright.planning.target import Target

Array = NDArray[Any]
MULTIPLES = (1, 2, 4)
"""Of which the channels that stay in a group are tried to be: lanes divide them, and of odd ones there are few."""
SAMPLES = 256
"""That the networks which are tried are calibrated on, at most."""
CLOCKS = "cycles"
"""What of a budget is asked of the plan; everything else limits what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A network on the way to the budget: its multiply-accumulates, what its design takes, and whether it is within."""

    multiple: int
    macs: int
    takes: Mapping[str, float]
    within: bool


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """The network that meets a budget with most multiply-accumulates, what its design takes, and what was tried."""

    net: FloatNet
    macs: int
    takes: Mapping[str, float]
    tried: tuple[Tried, ...]


def shrink(
    net: FloatNet,
    data: Array | Sequence[Array],
    *,
    budget: Mapping[str, float],
    part: str | None = None,
    criterion: str | Worth = CRITERION,
    labels: Array | None = None,
    multiples: Sequence[int] = MULTIPLES,
    progress: Callable[[Tried], None] = lambda tried: None,
    **options: Unpack[Given],
) -> Shrunk:
    """The network without those channels that must go for its design to be within a budget, by halving.

    `budget` has `cycles`, the clocks per frame to plan for, and the most of `lut`, `ff`, `dsp`, `bram`, `uram` or
    `cost` (all shares of the part, in percent); what a `part` holds is a limit, too. Each network that is tried is
    quantised by `options` and planned as `compile` does; of those that fit, by any of the `multiples`, the one with
    most multiply-accumulates is the answer. Raises BitwrightError with the least there is, where nothing fits.
    """
    arrays: Sequence[Array] = data if isinstance(data, list | tuple) else [np.asarray(data)]
    search = _Search(net, arrays, limits(budget, part), budget.get(CLOCKS), part, options, progress)
    order = Order(net, arrays, labels=labels, criterion=criterion)
    found = [order.most(multiple, search.allows(multiple)) for multiple in multiples]
    fitting = [each for each in found if each is not None]
    if not fitting:
        raise search.impossible()
    best = order.left(max(fitting, key=Work(net).macs))
    return Shrunk(net=best, macs=macs(best), takes=search.takes(best), tried=tuple(search.tried))


def limits(budget: Mapping[str, float], part: str | None) -> dict[str, float]:
    """The most of each kind that a design within a budget takes; BitwrightError names what cannot be limited."""
    for kind, most in budget.items():
        _check_limit(kind, most)
    scale = scale_of(None if part is None else part_of(part))
    held = dict(zip(KINDS, map(float, amounts(scale.budget)), strict=True)) if scale.part else {}
    found = held | {kind: most for kind, most in budget.items() if kind != CLOCKS}
    if not found:
        hint = "name a part, or the most of a resource, as lut: every number of clocks is met by enough of them"
        raise BitwrightError("limits nothing that fewer channels save", where="budget", hint=hint)
    return found


def _check_limit(kind: str, most: object) -> None:
    kinds = {*PRICED, CLOCKS}
    if kind not in kinds:
        raise BitwrightError(f"nothing is known of '{kind}'", where="budget", hint=nearest_names(str(kind), kinds))
    if isinstance(most, bool) or not isinstance(most, int | float) or not 0 < most < float("inf"):
        raise BitwrightError(f"a budget of {most} {kind}", where="budget", hint="give a positive number")


class _Search:
    """Networks that are tried for limits; of each its design is planned once."""

    def __init__(
        self,
        net: FloatNet,
        data: Sequence[Array],
        most: Mapping[str, float],
        cycles: float | None,
        part: str | None,
        options: Given,
        progress: Callable[[Tried], None],
    ) -> None:
        self.net, self.limits, self.progress = net, most, progress
        self.data = [array[:SAMPLES] for array in data]
        self.options: Given = {"rounding": "nearest", "correct": "none", **options}
        self.target = Target(cycles=None if cycles is None else int(cycles), part=part)
        self.tried: list[Tried] = []
        self._priced: dict[FloatNet, Price] = {}

    def takes(self, net: FloatNet) -> dict[str, float]:
        """What the design of a network takes, and its clocks per frame."""
        if net not in self._priced:
            graph = quantised(calibrate(net, self.data), **self.options).graph()
            self._priced[net] = price_of(graph, self.target, "fast")
        price = self._priced[net]
        return priced(price) | {CLOCKS: float(price.interval)}

    def allows(self, multiple: int) -> Callable[[Kept], bool]:
        """Whether the design of what stays is within the limits."""

        def within(kept: Kept) -> bool:
            found = without(self.net, kept)
            known = found in self._priced
            takes = self.takes(found)
            fits = all(takes[kind] <= most for kind, most in self.limits.items())
            if not known:
                self.tried.append(Tried(multiple=multiple, macs=macs(found), takes=takes, within=fits))
                self.progress(self.tried[-1])
            return fits

        return within

    def impossible(self) -> BitwrightError:
        """Why nothing fits: the first kind that no network comes down to."""
        least = {kind: min(each.takes[kind] for each in self.tried) for kind in self.limits}
        kind = max(self.limits, key=lambda name: least[name] / self.limits[name])
        what = f"no choice of channels comes down to {kind} {self.limits[kind]:,.0f}, the least is {least[kind]:,.0f}"
        return BitwrightError(what, where="budget", hint="give more, or more clocks per frame (cycles)")
