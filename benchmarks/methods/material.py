# SPDX-License-Identifier: Apache-2.0
"""The networks that methods are measured on, and what all of them are given alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import bitwright as bw
from benchmarks.methods.store import Found, packed
from benchmarks.train import DATA, Parts, Source
from bitwright.compress import FloatNet, distil, fit, outputs_of, trainable
from bitwright.compress.torch.executor import Executor
from bitwright.compress.training import Aid
from bitwright.ir.graph import Graph

NETWORKS = ("digits_cnn", "mnist5k_ds")
SEEDS = range(3)
CYCLES = {"digits_cnn": 2_048, "mnist5k_ds": 20_000}
"""Clocks between two images that designs are compiled for."""
INTEGERS = 4
"""Epochs of training of networks that compute with the integers that they will be."""
FLOATS = 3
"""Epochs of training of float networks that have lost something."""
LR = 1e-2
TRAINED_ON = 1_500
"""Training images, at most."""
LOOKED_AT = 512
"""Training images, with labels, that methods look at which choose what goes."""
BITS = {"weights": 4, "activations": 4}
"""Of float networks that have lost something, quantised by the defaults after their training."""


@dataclass(frozen=True)
class Material:
    """A network of one seed, and its images."""

    network: str
    seed: int
    folder: Path = field(default=DATA)

    @cached_property
    def source(self) -> Source:
        """Where it is."""
        return Source(self.folder, None, None, False)

    @cached_property
    def net(self) -> FloatNet:
        """The float network."""
        return self.source.net(self.network, self.seed)

    @cached_property
    def parts(self) -> Parts:
        """Images to calibrate on, to learn from with labels, and to be judged by with labels."""
        return self.source.parts(self.network, self.seed)

    @property
    def looked_at(self) -> tuple[Any, Any]:
        """Images and labels for what chooses what goes."""
        return self.parts.train[:LOOKED_AT], self.parts.y_train[:LOOKED_AT]

    @property
    def learnt(self) -> tuple[Any, Any]:
        """Images and labels that networks are trained on."""
        return self.parts.train[:TRAINED_ON], self.parts.y_train[:TRAINED_ON]

    def aid(self) -> Aid:
        """Half of the loss is what the whole float network says."""
        return distil("kd", weight=0.5, teacher=Executor(self.net).eval().logits)

    def judged(self, graph: Graph) -> Found:
        """Which answers are right on the test images, and what the design takes."""
        total, kernels = (design := bw.compile(graph, cycles=CYCLES[self.network])).price.total, design.kernels
        scores = bw.run(graph, self.parts.x).reshape(len(self.parts.y), -1)
        found = {"right": packed(scores.argmax(axis=1) == self.parts.y)}
        return found | {"lut": round(total.lut), "dsp": round(total.dsp), "cycles": kernels.interval}

    def trained(self, cut: FloatNet) -> Found:
        """The same of a float network that has lost something: trained, and quantised by the defaults."""
        module = trainable(cut)
        module.keep_zeros()
        fit(module, self.learnt, epochs=FLOATS, lr=LR, aids=[self.aid()], seed=self.seed)
        graph = module.quantize(self.parts.calibration, **BITS).graph()
        made = outputs_of(cut, [self.parts.x])[0].reshape(len(self.parts.y), -1).argmax(axis=1)
        return {**self.judged(graph), "cut": float(np.mean(made == self.parts.y))}
