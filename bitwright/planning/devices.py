# SPDX-License-Identifier: Apache-2.0
"""What the parts hold: look-up tables, flip-flops, DSP slices and 18-kbit block RAMs, from their makers' tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitwright.hardware.modules.memories import Family


@dataclass(frozen=True, slots=True)
class Budget:
    """The resources of one device."""

    lut: int
    ff: int
    dsp: int
    bram: int


DEVICES: Mapping[str, Budget] = {
    # Zynq-7000, Artix-7, Kintex-7
    "xc7z010": Budget(17_600, 35_200, 80, 120),
    "xc7z020": Budget(53_200, 106_400, 220, 280),
    "xc7z030": Budget(78_600, 157_200, 400, 530),
    "xc7z045": Budget(218_600, 437_200, 900, 1_090),
    "xc7a35t": Budget(20_800, 41_600, 90, 100),
    "xc7a100t": Budget(63_400, 126_800, 240, 270),
    "xc7a200t": Budget(134_600, 269_200, 740, 730),
    "xc7k325t": Budget(203_800, 407_600, 840, 890),
    # Kintex UltraScale
    "xcku040": Budget(242_400, 484_800, 1_920, 1_200),
    "xcku115": Budget(663_360, 1_326_720, 5_520, 4_320),
    # Zynq UltraScale+, Kria, Virtex UltraScale+, Alveo
    "xczu3eg": Budget(70_560, 141_120, 360, 432),
    "xczu7ev": Budget(230_400, 460_800, 1_728, 624),
    "xczu9eg": Budget(274_080, 548_160, 2_520, 1_824),
    "xck26": Budget(117_120, 234_240, 1_248, 288),
    "xcvu9p": Budget(1_182_240, 2_364_480, 6_840, 4_320),
    "xcu250": Budget(1_728_000, 3_456_000, 12_288, 5_376),
    "xcu280": Budget(1_304_000, 2_607_000, 9_024, 4_032),
}
"""Device -> what it holds; a part is a device with its package and speed grade behind it."""


def family(part: str) -> Family:
    """The family whose cells a part has; a device that is not known counts as one of series 7."""
    return "xcup" if part.lower().startswith(("xck", "xcv", "xcz", "xcu")) else "xc7"


def budget(part: str) -> Budget | None:
    """What `part` (xc7z020clg400-1, ...) holds; None for a device that is not in the table."""
    named = [device for device in DEVICES if part.lower().startswith(device)]
    return DEVICES[max(named, key=len)] if named else None
