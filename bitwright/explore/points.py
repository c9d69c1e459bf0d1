# SPDX-License-Identifier: Apache-2.0
"""One point of a sweep: quantise, encode, run the labelled set on the best engine that needs no design, count."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from numpy.typing import NDArray

from bitwright.backends.onnx.export import to_onnx
from bitwright.compress import Calibration
from bitwright.explore.evaluate import weight_memory
from bitwright.explore.metrics import accuracy
from bitwright.explore.pricing import price_of
from bitwright.explore.space import Point
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target
from bitwright.sim.engines import ENGINES, best
from bitwright.sim.whole import outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is known of one point: the share of right answers, the work, the memory, the estimates, its ONNX bytes.

    `cost` is the price of its design in one number, the sum of the shares of the part, in percent; `fits` whether the
    part holds it. `on_front` is true if no other point that fits costs less and has at least the accuracy.
    """

    point: Point
    accuracy: float
    macs: int
    weight_memory_bits: int
    lut: int
    ff: int
    dsp: int
    bram: int
    uram: int
    cost: float
    interval_cycles: int
    fits: bool
    model: bytes
    on_front: bool = False

    @property
    def file(self) -> str:
        """Where the point's ONNX lies inside the folder of the sweep."""
        return f"points/{self.point.key}.onnx"


@dataclass(frozen=True)
class Evaluation:
    """The function from point to result for one calibrated network, one labelled set `x`, `y`, and one target."""

    calibration: Calibration
    x: NDArray[Any]
    y: NDArray[Any]
    target: Target = field(default_factory=Target)

    def __call__(self, point: Point) -> Result:
        """The result of `point`; BitwrightError names the point if its network cannot be built."""
        try:
            graph = point.state(self.calibration).graph()
            model = to_onnx(graph).SerializeToString(deterministic=True)
            found = price_of(graph, self.target)
        except BitwrightError as error:
            raise BitwrightError(error.what, where=f"point {point.label}: {error.where}", hint=error.hint) from error
        engine = ENGINES[best(graph.macs * len(self.x))].build(graph, None)
        scores = outputs(graph, {graph.entry.inputs[0]: self.x}, engine)[0]
        return Result(
            point=point,
            accuracy=accuracy(scores, self.y),
            macs=graph.macs,
            weight_memory_bits=weight_memory(graph),
            **asdict(found.total),
            cost=round(found.cost, 4),
            interval_cycles=found.interval,
            fits=not found.over,
            model=model,
        )
