# SPDX-License-Identifier: Apache-2.0
"""The space of designs: a point is a value whose digest names its result; a space is a generator of points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps

from bitwright.compress import Calibration, Options, State, quantised


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One choice of how the network is quantised, the same bits in every layer; BitwrightError if it is none."""

    weight_bits: int
    activation_bits: int
    per_channel: bool = True
    range: str = "mse"
    scale: str = "free"

    def __post_init__(self) -> None:
        Options(weights=self.weight_bits, activations=self.activation_bits, range=self.range, scale=self.scale)

    @property
    def key(self) -> str:
        """Sixteen hex digits of the sha256 of the choice: equal points have equal results."""
        return sha256(dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """`w4a3`: 4-bit weights, 3-bit activations."""
        return f"w{self.weight_bits}a{self.activation_bits}"

    def state(self, calibration: Calibration) -> State:
        """The calibrated network, quantised as the point says."""
        return quantised(
            calibration,
            weights=self.weight_bits,
            activations=self.activation_bits,
            per_channel=self.per_channel,
            range=self.range,
            scale=self.scale,
            zero="never",
            rounding="nearest",
            correct="none",
        )


def uniform(
    weights: Iterable[int],
    activations: Iterable[int],
    *,
    per_channel: bool = True,
    range: str = "mse",
    scale: str = "free",
) -> Iterator[Point]:
    """Every pair of weight and activation bits, weights outermost."""
    choices = tuple(activations)
    for weight_bits in weights:
        for activation_bits in choices:
            yield Point(
                weight_bits=weight_bits,
                activation_bits=activation_bits,
                per_channel=per_channel,
                range=range,
                scale=scale,
            )
