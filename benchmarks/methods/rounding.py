# SPDX-License-Identifier: Apache-2.0
"""What quantises without training, one choice at a time in place of the default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bitwright as bw
from benchmarks.methods.material import Material
from benchmarks.methods.store import Found
from bitwright.compress import Options
from bitwright.compress.options import CHOICES
from bitwright.compress.transforms import TRANSFORMS

CASES = {"W4A4": 4, "W3A3": 3}
DEFAULT = "default"


def choices() -> dict[str, dict[str, Any]]:
    """What is asked for, by what stands in the table; the defaults first."""
    found: dict[str, dict[str, Any]] = {DEFAULT: {}}
    for option, names in CHOICES.items():
        found |= {f"{option} {name}": {option: name} for name in names if name != getattr(Options(), option)}
    found |= {f"transforms {name}": {"transforms": (name,)} for name in TRANSFORMS}
    del found["scale po2"]  # which is what `exact po2` asks for
    return found | {"one scale a tensor": {"per_channel": False}}


def rows() -> Iterator[tuple[str, str]]:
    """Cases and methods, the default first in each."""
    return ((case, method) for case in CASES for method in choices())


def measured(material: Material, case: str, method: str) -> Found:
    """Quantised on the calibration images."""
    asked: dict[str, Any] = {"weights": CASES[case], "activations": CASES[case], **choices()[method]}
    return material.judged(bw.quantize(material.net, material.parts.calibration, **asked).graph())
