# SPDX-License-Identifier: Apache-2.0
"""What a design costs: how much of each resource, and in one number, as shares of a part.

The solver, `compile`, `compile --front`, fitting to a part and `explore` all ask here, so that they agree. The price of
a resource is its share of what the part holds, and the cost of a design is the sum of its shares: what is scarce in a
part is dear. Where no part is named, or none of its family is fitted, the shares are those of `WEIGHED`: a DSP is then
worth 242 LUTs, a block RAM of 18 kbit 190, and a flip-flop half a LUT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bitwright.hardware.area.resources import Resources, boundary_resources, fifo_resources, resources
from bitwright.hardware.cells import Family
from bitwright.hardware.kernels.base import Kernel, KernelGraph, Stream
from bitwright.planning.devices import Budget, cells_of, device

WEIGHED = "xc7z020"
"""The device whose resources weigh the cost where no part is named."""
KINDS = ("lut", "ff", "dsp", "bram", "uram")
"""The resources that estimates know."""

Cost = tuple[int, ...]
"""How much of each of `KINDS`."""
NOTHING: Cost = (0,) * len(KINDS)


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of `costs`."""
    return tuple(map(sum, zip(NOTHING, *costs, strict=True)))


def amounts(held: Resources | Budget) -> Cost:
    """The resources of `held` in the order of `KINDS`."""
    return tuple(getattr(held, name) for name in KINDS)


@dataclass(frozen=True, slots=True)
class Scale:
    """What costs are shares of, the part whose budget limits them ("" for none), its cells, and a line on that.

    `reserved` of the budget is left to what the solver does not see: deeper FIFOs, the ends of the design.
    """

    budget: Budget
    part: str = ""
    cells: Family = "xc7"
    said: str = ""
    reserved: Cost = NOTHING

    def worth(self, whole: float) -> tuple[float, ...]:
        """The share of one of each of `KINDS` where the whole part is `whole`; 0 of what the part has none of."""
        return tuple(whole / held if held else 0.0 for held in amounts(self.budget))

    @property
    def limits(self) -> Cost | None:
        """The most that may be taken; None where no part limits it."""
        held = amounts(self.budget)
        return tuple(a - b for a, b in zip(held, self.reserved, strict=True)) if self.part else None

    def shares(self, taken: Sequence[int]) -> dict[str, float]:
        """The share of each resource that is taken."""
        held = amounts(self.budget)
        return {kind: count / max(most, 1) for kind, count, most in zip(KINDS, taken, held, strict=True)}


def scale_of(part: str | None) -> Scale:
    """The scale of a part; without one, or of a family without fitted cells, nothing is limited."""
    if part is None or not device(part).fitted:
        reason = "no part was named" if part is None else f"no cells of the family of {part} are fitted"
        return Scale(device(WEIGHED).budget, "", cells_of(part), f"{reason}: no budget, costs in shares of {WEIGHED}")
    return Scale(device(part).budget, part, cells_of(part), f"within the budget of {part}, costs in its shares")


@dataclass(frozen=True)
class Price:
    """What a lowered design takes, by layer and where it serves none, on the scale of its part.

    A layer takes its kernels and the FIFOs that they read; the boundary the ends of the design, and what forks inputs.
    """

    layers: Mapping[str, Resources]
    boundary: Resources
    interval: int
    scale: Scale

    @cached_property
    def total(self) -> Resources:
        """What the whole design takes."""
        return sum(self.layers.values(), self.boundary)

    @property
    def shares(self) -> dict[str, float]:
        """The share of each resource."""
        return self.scale.shares(amounts(self.total))

    @property
    def cost(self) -> float:
        """All in one number: the sum of the shares, in percent."""
        return 100 * sum(self.shares.values())

    @property
    def over(self) -> str:
        """The resource that its part holds least enough of, "" if the design fits or nothing limits it."""
        taken, limits = amounts(self.total), amounts(self.scale.budget)
        if not self.scale.part or all(a <= b for a, b in zip(taken, limits, strict=True)):
            return ""
        return max(zip(KINDS, taken, limits, strict=True), key=lambda found: found[1] / max(found[2], 1))[0]


def price(kernels: KernelGraph, layers: Iterable[str], part: str | None) -> Price:
    """What the kernels that `layers` became take of `part`, their constants looked at."""
    scale = scale_of(part)
    taken, boundary = dict.fromkeys(layers, Resources()), boundary_resources(kernels, family=scale.cells)
    for kernel in kernels.kernels:
        edges = (fifo_resources(kernels.stream(name), family=scale.cells) for name in kernel.inputs)
        used = sum(edges, resources(kernel, contents=True, family=scale.cells))
        if kernel.layer in taken:
            taken[kernel.layer] += used
        else:
            boundary += used
    return Price(taken, boundary, kernels.interval, scale)


def guess(kernels: Iterable[Kernel], read: Iterable[Stream], cells: Family) -> Cost:
    """What kernels and the FIFOs of the streams that they read take, their constants counted as random words.

    It needs no weights, so that a search can ask it of many choices; the design that is found gets its `price`.
    """
    costs = [amounts(resources(kernel, family=cells)) for kernel in kernels]
    return total([*costs, *(amounts(fifo_resources(stream, family=cells)) for stream in read)])
