# SPDX-License-Identifier: Apache-2.0
"""Quantisers that are trained, of weights and of activations, one at a time in place of the default."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.methods.material import INTEGERS, LR, Material
from benchmarks.methods.store import Found
from bitwright.compress import fit, trainable
from bitwright.compress.torch import ACTIVATIONS, BITS, QUANTISERS
from bitwright.compress.torch.making import UNIFORM

CASES = {"W4A4": 4, "W2A2": 2}


def rows() -> Iterator[tuple[str, str]]:
    """Cases and methods, the default first in each."""
    for case in CASES:
        yield case, UNIFORM
        yield from ((case, f"weights {name}") for name in QUANTISERS if name != UNIFORM)
        yield from ((case, f"activations {name}") for name in ACTIVATIONS if name != UNIFORM)


def measured(material: Material, case: str, method: str) -> Found:
    """Trained as the integers it is, from the float network on."""
    bits = CASES[case]
    asked = dict.fromkeys(("weights", "activations"), f"{UNIFORM}:{bits}")
    kind, _, name = method.partition(" ")
    if name:
        asked[kind] = name if name in BITS else f"{name}:{bits}"
    module = trainable(material.net, **asked, calibration=material.parts.calibration)
    fit(module, material.learnt, epochs=INTEGERS, lr=LR, aids=[material.aid()], seed=material.seed)
    return material.judged(module.graph())
