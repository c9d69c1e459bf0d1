# SPDX-License-Identifier: Apache-2.0
"""What stays on the host: small NumPy steps before and after the integer part, each tied to its source node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bitwright.ir.host_ops import Array, HostOp


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStep:
    """One step on the host: `output = does(inputs)`; samples are on axis 0 of every tensor.

    `node` and `op_type` name the source node, `reason` says why it is not in the accelerator. Steps that only re-lay a
    tensor at the border have no source node (`node` is empty) and are not reported.
    """

    does: HostOp
    inputs: tuple[str, ...]
    output: str
    node: str = ""
    op_type: str = ""
    side: Literal["input", "output"] = "input"
    reason: str = ""

    @property
    def op(self) -> str:
        """The kind of what it does."""
        return self.does.op


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a model declares of one of its inputs: shape without the sample axis, NumPy dtype name."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class HostGraph:
    """Steps in order; `inputs` and `outputs` are the names that enter and leave.

    `specs` describes the inputs where they are the model's own, and is empty otherwise.
    """

    inputs: tuple[str, ...] = ()
    steps: tuple[HostStep, ...] = ()
    outputs: tuple[str, ...] = ()
    specs: tuple[TensorSpec, ...] = ()


def run_host(graph: HostGraph, feeds: Mapping[str, Array]) -> list[Array]:
    """The outputs of `graph` for `feeds`."""
    values = dict(feeds)
    with np.errstate(all="ignore"):  # what overflows or is no number does so in the source's float32 as well
        for step in graph.steps:
            values[step.output] = step.does(*(values[name] for name in step.inputs))
    return [values[name] for name in graph.outputs]
