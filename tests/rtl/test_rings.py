# SPDX-License-Identifier: Apache-2.0
"""The ring of a window: as deep as `ring_depth` says it loses no clock, and not much below it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright.backends.verilog.project import generate
from bitwright.hardware.clocks.rings import ring_depth
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.windows import Window
from bitwright.sim.rtl import build
from tests.needs import needs_rtl
from tests.rtl.graphs import project, side_by_side, window

SAME = (1, 1, 1, 1)
SHAPES: dict[str, tuple[dict[str, Any], int]] = {
    "same": ({"size": (8, 20), "pads": SAME}, 0),
    "valid": ({"size": (8, 20)}, 78),
    "deep": ({"size": (5, 30), "inner": 2}, 234),
    "five": ({"size": (12, 14), "kernel": (5, 5)}, 98),
    "strided": ({"size": (12, 16), "strides": (2, 2), "pads": SAME}, 45),
    "pool": ({"size": (8, 16), "kernel": (2, 2), "strides": (2, 2), "blocks": 2}, 68),
    "pool3": ({"size": (9, 17), "strides": (2, 2)}, 66),
    "sparse": ({"size": (12, 12), "kernel": (1, 1), "strides": (3, 3)}, 2),
    "signal": ({"size": (1, 60), "kernel": (1, 5), "inner": 2}, 10),
    "signal4": ({"size": (1, 60), "kernel": (1, 5), "strides": (1, 4), "pads": (0, 2, 0, 2)}, 6),
    "dilated": ({"size": (10, 10), "dilations": (2, 2), "pads": (2, 2, 2, 2)}, 0),
    "dilated3": ({"size": (10, 12), "dilations": (3, 2)}, 146),
    "groups": ({"size": (6, 10), "blocks": 4, "pads": SAME}, 0),
    "whole": ({"size": (5, 7), "kernel": (5, 7)}, 36),
    "global": ({"size": (4, 4), "kernel": (4, 4), "strides": (4, 4), "blocks": 3}, 78),
    "asymmetric": ({"size": (9, 11), "kernel": (2, 3), "strides": (1, 2), "pads": (0, 2, 1, 0)}, 0),
}
"""Name -> (shape, a depth that holds a whole receptive field and yet costs clocks; 0 where none does)."""


def only(graph: KernelGraph) -> Window:
    (kernel,) = graph.kernels
    assert isinstance(kernel, Window)
    return kernel


@needs_rtl
def test_a_ring_of_the_planned_depth_loses_no_clock() -> None:
    planned = {name: window(name, **shape) for name, (shape, _) in SHAPES.items()}
    shallow = {name: window(f"{name}_less", **shape, depth=depth) for name, (shape, depth) in SHAPES.items() if depth}
    made = project(side_by_side([*planned.values(), *shallow.values()]), np.random.default_rng(1), 6, "rings")
    found = build(generate(made)).run([codes.array for codes in made.inputs])
    for name, want, got in zip(made.kernels.outputs, made.outputs, found.outputs, strict=True):
        np.testing.assert_array_equal(got, want.array, err_msg=name)
    clocks = dict(zip(made.kernels.outputs, (interval for interval, _ in found.port_cycles), strict=True))
    for name, graph in planned.items():
        assert clocks[f"{name}_out"] == only(graph).cycles, name
    for name, graph in shallow.items():
        assert clocks[f"{name}_less_out"] > only(graph).cycles, name


@pytest.mark.parametrize(
    ("shape", "depth"),
    [
        ({"size": (8, 20), "pads": SAME}, 45),
        ({"size": (8, 20)}, 87),
        ({"size": (1, 60), "kernel": (1, 5), "inner": 2}, 22),
        ({"size": (1, 60), "kernel": (1, 1)}, 4),
        ({"size": (4, 4), "kernel": (4, 4), "strides": (4, 4), "blocks": 3}, 96),
        ({"size": (2, 10), "kernel": (4, 1), "strides": (3, 4), "dilations": (1, 3), "pads": (2, 0, 0, 0)}, 33),
    ],
)
def test_depths(shape: dict[str, Any], depth: int) -> None:
    """A same-padded 3 x 3 window needs little more than two rows, one without pads almost twice its field.

    Where as many rows are padded above as the image has, the corner lies a frame behind.
    """
    kernel = only(window("win", **shape))
    assert ring_depth(kernel.walk_over(), kernel.alone) == depth
