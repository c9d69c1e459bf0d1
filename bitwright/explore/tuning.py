# SPDX-License-Identifier: Apache-2.0
"""A network that is trained on for each design: its weights are kept, so that a design is made again without training.

def tune(module, widths, zeros):          # bits of weights and tensors, and shares of zeros, by their names
bits = {name: widths[name] for name, _ in module.named_parameters() if name in widths}
...                                   # any training, of a copy of the module, which is changed or returned

sweep(module, data, "swept", example=x, tune=tune)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bitwright.compress import Calibration, FloatNet, calibrate, float_net
from bitwright.compress.quantise import as_file
from bitwright.explore.space import Design
from bitwright.ir.errors import BitwrightError
from bitwright.output import new_file

TUNED = "tuned"
"""Where the folder of a sweep has the networks that were trained on, by the keys of designs."""
Widths = Mapping[str, int]
Shares = Mapping[str, float]
Tune = Callable[[Any, Widths, Shares], Any]
"""(a copy of the module, bits by name, shares of zeros by name) -> the module, or None for the copy itself.

What it draws must come from seeds of its own: the same design is to be the same network.
"""


@dataclass(frozen=True)
class Trainer:
    """A module of PyTorch, an example of what it takes, and who trains it on."""

    module: Any
    example: Any
    tune: Tune

    @property
    def name(self) -> str:
        """What settings keep of who trains."""
        return f"{self.tune.__module__}:{getattr(self.tune, '__qualname__', type(self.tune).__name__)}"

    def __call__(self, widths: Widths, zeros: Shares) -> FloatNet:
        """The network trained on for a design."""
        module = deepcopy(self.module)
        made = self.tune(module, dict(widths), dict(zeros))
        return float_net(as_file(module if made is None else made, self.example, "tune"))


@dataclass(frozen=True)
class Tuning:
    """The calibrated network of each design: that which its folder has, or one that is trained and kept there."""

    folder: Path
    before: FloatNet
    arrays: tuple[NDArray[Any], ...]
    trainer: Trainer | None = None

    def __call__(self, design: Design, widths: Widths, zeros: Shares) -> Calibration:
        """The network of a design."""
        file = self.folder / TUNED / f"{design.key}.onnx"
        if not file.exists():
            net = self._trained(widths, zeros)
            file.parent.mkdir(exist_ok=True)
            with new_file(file) as write:
                write(net.onnx())
        return calibrate(replace(float_net(file), file=self.before.file), self.arrays)

    def _trained(self, widths: Widths, zeros: Shares) -> FloatNet:
        if self.trainer is None:
            hint = "search on in Python, by sweep(..., tune=, resume=True)"
            raise BitwrightError("the network that was trained on is not kept", where=str(self.folder), hint=hint)
        net = self.trainer(widths, zeros)
        if [each.weight for each in net.layers] != [each.weight for each in self.before.layers]:
            hint = "change the numbers of its parameters alone"
            raise BitwrightError("gives back a network of other layers", where=f"tune '{self.trainer.name}'", hint=hint)
        return net
