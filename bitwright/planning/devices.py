# SPDX-License-Identifier: Apache-2.0
"""What is known of each part: its family, and what it holds, from its maker's tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bitwright.hardware.cells import Family
from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True, slots=True)
class Budget:
    """Look-up tables, flip-flops, DSP slices and 18-kbit block RAMs of one device."""

    lut: int
    ff: int
    dsp: int
    bram: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device: its family, as Yosys calls it (series 7, UltraScale, UltraScale+), and what it holds."""

    family: Literal["xc7", "xcu", "xcup"]
    budget: Budget

    @property
    def cells(self) -> Family:
        """The family whose cells it has: UltraScale has those of UltraScale+."""
        return "xc7" if self.family == "xc7" else "xcup"


DEVICES: Mapping[str, Device] = {
    # Spartan-7
    "xc7s25": Device("xc7", Budget(14_600, 29_200, 80, 90)),
    "xc7s50": Device("xc7", Budget(32_600, 65_200, 120, 150)),
    # Artix-7
    "xc7a15t": Device("xc7", Budget(10_400, 20_800, 45, 50)),
    "xc7a35t": Device("xc7", Budget(20_800, 41_600, 90, 100)),
    "xc7a50t": Device("xc7", Budget(32_600, 65_200, 120, 150)),
    "xc7a100t": Device("xc7", Budget(63_400, 126_800, 240, 270)),
    "xc7a200t": Device("xc7", Budget(134_600, 269_200, 740, 730)),
    # Kintex-7
    "xc7k70t": Device("xc7", Budget(41_000, 82_000, 240, 270)),
    "xc7k160t": Device("xc7", Budget(101_400, 202_800, 600, 650)),
    "xc7k325t": Device("xc7", Budget(203_800, 407_600, 840, 890)),
    # Zynq-7000
    "xc7z007s": Device("xc7", Budget(14_400, 28_800, 66, 100)),
    "xc7z010": Device("xc7", Budget(17_600, 35_200, 80, 120)),
    "xc7z020": Device("xc7", Budget(53_200, 106_400, 220, 280)),
    "xc7z030": Device("xc7", Budget(78_600, 157_200, 400, 530)),
    "xc7z045": Device("xc7", Budget(218_600, 437_200, 900, 1_090)),
    # Kintex UltraScale
    "xcku040": Device("xcu", Budget(242_400, 484_800, 1_920, 1_200)),
    "xcku115": Device("xcu", Budget(663_360, 1_326_720, 5_520, 4_320)),
    # Zynq UltraScale+
    "xczu2cg": Device("xcup", Budget(47_232, 94_464, 240, 300)),
    "xczu2eg": Device("xcup", Budget(47_232, 94_464, 240, 300)),
    "xczu3cg": Device("xcup", Budget(70_560, 141_120, 360, 432)),
    "xczu3eg": Device("xcup", Budget(70_560, 141_120, 360, 432)),
    "xczu4ev": Device("xcup", Budget(87_840, 175_680, 728, 256)),
    "xczu5ev": Device("xcup", Budget(117_120, 234_240, 1_248, 288)),
    "xczu7ev": Device("xcup", Budget(230_400, 460_800, 1_728, 624)),
    "xczu9eg": Device("xcup", Budget(274_080, 548_160, 2_520, 1_824)),
    # Kria, Kintex and Virtex UltraScale+, Alveo
    "xck26": Device("xcup", Budget(117_120, 234_240, 1_248, 288)),
    "xcku5p": Device("xcup", Budget(216_960, 433_920, 1_824, 960)),
    "xcvu9p": Device("xcup", Budget(1_182_240, 2_364_480, 6_840, 4_320)),
    "xcu250": Device("xcup", Budget(1_728_000, 3_456_000, 12_288, 5_376)),
    "xcu280": Device("xcup", Budget(1_304_000, 2_607_000, 9_024, 4_032)),
}
"""Every part that is known, by its device: a part has the package and the speed grade behind it."""


def device(part: str) -> Device:
    """The device of `part` (xc7z020clg400-1, ...); BitwrightError names the known ones for any other."""
    for name, known in DEVICES.items():
        if re.match(rf"{name}(?![0-9])", part.lower()):
            return known
    raise BitwrightError(
        f"the part {part!r} is not known",
        where="--part",
        hint=f"a part begins with its device: {', '.join(DEVICES)}",
    )
