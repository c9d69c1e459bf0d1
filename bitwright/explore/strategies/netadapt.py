# SPDX-License-Identifier: Apache-2.0
"""Designs that are made cheaper step by step, each step the one that loses least for what it saves."""

from __future__ import annotations

from bitwright.explore.strategies.strategy import Problem
from bitwright.explore.strategies.walk import Walk


class NetAdapt(Walk):
    """From the dearest design down: every axis proposes a step, all are measured, and the best is taken.

    A step is best that loses least of the score for what it saves of the first cost. An axis whose step saves nothing
    proposes a longer one next time. With any axis in place of channels, and what was measured in place of training in
    between (Yang, Howard, Chen, Zhang, Go, Sandler, Sze, Adam: "NetAdapt: platform-aware neural network adaptation for
    mobile applications", ECCV 2018, arXiv 1804.03230; R108).
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, lambda lost, saved: lost / saved)


STRATEGIES = {"netadapt": NetAdapt}
