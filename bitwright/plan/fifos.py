# SPDX-License-Identifier: Apache-2.0
"""FIFO depths where branches meet: what the faster branch must hold until the slower one arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bitwright.plan.kernels import Join, KernelGraph
from bitwright.plan.tokens import Curve, curves

MARGIN = 2
"""Beats beyond the computed occupancy: the registers on either side may hold one each."""


def size_fifos(kernels: KernelGraph, chosen: Mapping[str, int]) -> KernelGraph:
    """`kernels` with the FIFO in front of every join as deep as it fills at the interval.

    The source is paced at the interval, as the slowest kernel would pace it; then no FIFO blocks its branch. `chosen`
    sets the depth in front of a layer's first kernel instead.
    """
    depths = {stream.name: stream.depth for stream in kernels.streams}
    joins = [kernel for kernel in kernels.kernels if isinstance(kernel, Join) and kernel.others]
    if joins:
        interval = kernels.interval
        beats = {name: kernels.stream(name).beats for name in kernels.inputs}
        found = curves(kernels, {name: np.arange(n) * interval // n for name, n in beats.items()})
        for name in (name for join in joins for name in join.inputs):
            depths[name] = max(depths[name], occupancy(found[name], interval) + MARGIN)
    first = {kernel.layer: kernel for kernel in reversed(kernels.kernels)}
    for layer, depth in chosen.items():
        if layer in first:
            depths[first[layer].input] = depth
    return replace(kernels, streams=tuple(replace(s, depth=depths[s.name]) for s in kernels.streams))


def occupancy(curve: Curve, interval: int) -> int:
    """The most beats a FIFO holds when frames follow each other at `interval` clocks."""
    frames = 2 + int(curve.leave[-1] - curve.arrive[0]) // interval
    shifts = np.arange(frames)[:, None] * interval
    arrive = np.maximum.accumulate((curve.arrive + shifts).reshape(-1))
    leave = np.maximum.accumulate((curve.leave + shifts).reshape(-1))
    held = np.arange(1, len(arrive) + 1) - np.searchsorted(leave, arrive, side="left")
    return int(held.max())
