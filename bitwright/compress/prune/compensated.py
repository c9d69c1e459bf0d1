# SPDX-License-Identifier: Apache-2.0
"""Channels of all layers in one order: their norms, times a factor of each layer that evolution finds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from bitwright.compress.execute import outputs_of
from bitwright.compress.groups import Group, traced
from bitwright.compress.prune.channels import Kept
from bitwright.compress.prune.choose import Ranked
from bitwright.compress.prune.facts import Array, Facts
from bitwright.compress.prune.geometry import filter_norms
from bitwright.compress.prune.mend import read_masks
from bitwright.compress.prune.work import Work
from bitwright.compress.prune.worth import Worth, compared

TINY = 1e-12
"""Of the largest norm, that of a channel of zeros."""
SAMPLES = 64
"""That networks are judged on."""
SHARE = 0.5
"""Of the multiply-accumulates, that are left of the networks which are judged."""
POPULATION, TRIED, RIVALS = 12, 120, 4
"""Members at a time, members altogether, and those of whom a parent is the fittest."""
STEPS = (0.02, 1.0)
"""The least and the largest step of a child, in parts of how far logarithms of norms are apart."""
SEED = 0


def by_compensation(facts: Facts, group: Group) -> Array:
    """The logarithm of a channel's norm plus what its layer is compensated by, compared with those of all layers.

    Chin, Zhang, Marculescu: "Layer-compensated pruning for resource-constrained convolutional neural networks", 2018,
    arXiv 1810.00518; R118. The compensations are those of the fittest of a population whose oldest members die: of the
    one whose outputs, with half of the multiply-accumulates, are nearest to those of the whole network. It begins with
    none, and with those by which the medians of all layers are alike. Needs data.
    """
    place = next(place for place, other in enumerate(facts.net.groups) if other is group)
    return np.asarray(levels(facts)[place] + compensations(facts)[place])


def levels(facts: Facts) -> list[Array]:
    """The logarithms of the norms of the channels of each group."""
    norms = [filter_norms(facts, group) for group in facts.net.groups]
    least = TINY * max((float(each.max(initial=0)) for each in norms), default=1.0) or TINY
    return [np.log(np.maximum(each, least)) for each in norms]


@lru_cache(maxsize=1)
def compensations(facts: Facts) -> Array:
    """A number for each group."""
    data = [array[:SAMPLES] for array in facts.samples()]
    net, held, work = facts.net, levels(facts), Work(facts.net)
    wanted = outputs_of(net, data)
    most = SHARE * work.macs([np.ones(group.size, bool) for group in net.groups])
    spans = traced(net.model).spans()
    whole = np.array([group.fixed for group in net.groups], bool)

    def fitness(added: Array) -> float:
        moved = [each + (np.inf if fixed else more) for each, fixed, more in zip(held, whole, added, strict=True)]
        ranked = Ranked(net.groups, moved, spans)
        kept: Kept | None = ranked.most(lambda kept: work.macs(kept) <= most)
        if kept is None:
            return -np.inf
        masks = read_masks(net, kept)
        made = outputs_of(net.replace(**{name: net.constants[name] * mask for name, mask in masks.items()}), data)
        return -sum(float(np.square(a - b).sum()) for a, b in zip(made, wanted, strict=True))

    free = [each for each, fixed in zip(held, whole, strict=True) if not fixed]
    if not free:
        return np.zeros(len(net.groups))
    reach = float(np.ptp(np.concatenate(free))) or 1.0
    alike = np.array([0.0 if fixed else -float(np.median(each)) for each, fixed in zip(held, whole, strict=True)])
    return evolved(fitness, (np.zeros(len(net.groups)), alike), reach, ~whole)


def evolved(
    fitness: Callable[[Array], float], first: Sequence[Array], reach: float, free: Array, tried: int = TRIED
) -> Array:
    """The fittest of so many vectors: the first ones, and children of the fittest of a few; the oldest die.

    A child moves one of the free numbers or all of them, by steps of all sizes up to `reach`.
    """
    rng = np.random.default_rng(SEED)
    members = deque([(fitness(each), each) for each in first], maxlen=POPULATION)
    best = max(members, key=lambda member: member[0])
    for _ in range(tried - len(first)):
        rivals = rng.integers(len(members), size=RIVALS)
        parent = max((members[rival] for rival in rivals), key=lambda member: member[0])[1]
        size = reach * float(np.exp(rng.uniform(*np.log(STEPS))))
        one = np.arange(len(parent)) == rng.choice(np.flatnonzero(free))
        moved = one if rng.random() < 0.5 else free
        child = parent + size * rng.normal(size=len(parent)) * moved
        members.append((fitness(child), child))
        best = max(best, members[-1], key=lambda member: member[0])
    return best[1]


CHANNELS = {"compensated": Worth(by_compensation, compared)}
