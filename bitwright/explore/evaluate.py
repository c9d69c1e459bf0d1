# SPDX-License-Identifier: Apache-2.0
"""One point of a sweep: quantise, encode, run the labelled set on the best engine that needs no design, count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.export import to_onnx
from bitwright.compress import Calibration
from bitwright.explore.cost import area, estimate, weight_memory
from bitwright.explore.space import Point
from bitwright.ir.errors import BitwrightError
from bitwright.sim.engines import ENGINES, best
from bitwright.sim.whole import outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is known of one point: the share of right answers, the work, the memory, the estimates, its ONNX bytes.

    `area` is LUTs, block RAMs and DSPs in one number. `on_front` is true if no other point of the sweep has a smaller
    area and at least the accuracy.
    """

    point: Point
    accuracy: float
    macs: int
    weight_memory_bits: int
    lut: int
    bram: int
    dsp: int
    area: int
    model: bytes
    on_front: bool = False

    @property
    def file(self) -> str:
        """Where the point's ONNX lies inside the folder of the sweep."""
        return f"points/{self.point.key}.onnx"


@dataclass(frozen=True)
class Evaluation:
    """The function from point to result for one calibrated network and one labelled set `x`, `y`."""

    calibration: Calibration
    x: NDArray[Any]
    y: NDArray[Any]

    def __call__(self, point: Point) -> Result:
        """The result of `point`; BitwrightError names the point if its network cannot be built."""
        try:
            graph = point.state(self.calibration).graph()
            model = to_onnx(graph).SerializeToString(deterministic=True)
        except BitwrightError as error:
            raise BitwrightError(error.what, where=f"point {point.label}: {error.where}", hint=error.hint) from error
        cost = estimate(graph)
        engine = ENGINES[best(graph.macs * len(self.x))].build(graph, None)
        scores = outputs(graph, {graph.entry.inputs[0]: self.x}, engine)[0]
        return Result(
            point=point,
            accuracy=accuracy(scores, self.y),
            macs=graph.macs,
            weight_memory_bits=weight_memory(graph),
            lut=cost.lut,
            bram=cost.bram,
            dsp=cost.dsp,
            area=area(cost),
            model=model,
        )


def accuracy(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    """The share of samples whose highest score is at their label; the lowest index wins a tie."""
    return float(np.mean(scores.reshape(len(labels), -1).argmax(axis=1) == labels))
