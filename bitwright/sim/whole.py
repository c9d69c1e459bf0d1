# SPDX-License-Identifier: Apache-2.0
"""A whole model: what the host computes before, an engine, what the host computes after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.host import run_host
from bitwright.ir.weights import Ints
from bitwright.sim.engines import Built

Array = NDArray[Any]


def outputs(net: Graph, feeds: Mapping[str, Array], engine: Built) -> list[Array]:
    """The model's outputs for its inputs by name, by an engine that is ready for `net`."""
    return leaving(net, engine.run(entering(net, feeds)).outputs)


def entering(net: Graph, feeds: Mapping[str, Array]) -> list[Ints]:
    """The integers that enter the accelerator, channels last, for the model's inputs by name."""
    return [np.asarray(array, dtype=np.int64) for array in run_host(net.entry, feeds)]


def leaving(net: Graph, codes: Sequence[Ints]) -> list[Array]:
    """The model's outputs for the integers that left the accelerator."""
    return run_host(net.exit, dict(zip(net.exit.inputs, codes, strict=True)))
