# SPDX-License-Identifier: Apache-2.0
"""What is known of each part: its family, and what it holds, from its maker's tables; which part a board carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from bitwright.hardware.cells import Family
from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True, slots=True)
class Budget:
    """Look-up tables, flip-flops, DSP slices, 18-kbit block RAMs and UltraRAMs of one device."""

    lut: int
    ff: int
    dsp: int
    bram: int
    uram: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """A device: its family, as Yosys calls it (series 7, UltraScale, UltraScale+) but for Versal, and what it holds."""

    family: Literal["xc7", "xcu", "xcup", "versal"]
    budget: Budget

    @property
    def fitted(self) -> bool:
        """Whether the model of resources is fitted to its cells; of another nothing is claimed, as without a part."""
        return self.family != "versal"

    @property
    def cells(self) -> Family:
        """The family whose cells are counted: UltraScale has those of UltraScale+; series 7 stands in for others."""
        return "xcup" if self.family in ("xcu", "xcup") else "xc7"

    @property
    def caveat(self) -> str:
        """What a report has to say of its estimates; empty where they are fitted."""
        return (
            "" if self.fitted else "estimates in cells of series 7: no others are fitted, nothing is said of what fits"
        )


DEVICES: Mapping[str, Device] = {
    # Spartan-7
    "xc7s6": Device("xc7", Budget(3_750, 7_500, 10, 10)),
    "xc7s15": Device("xc7", Budget(8_000, 16_000, 20, 20)),
    "xc7s25": Device("xc7", Budget(14_600, 29_200, 80, 90)),
    "xc7s50": Device("xc7", Budget(32_600, 65_200, 120, 150)),
    "xc7s75": Device("xc7", Budget(48_000, 96_000, 140, 180)),
    "xc7s100": Device("xc7", Budget(64_000, 128_000, 160, 240)),
    # Artix-7
    "xc7a12t": Device("xc7", Budget(8_000, 16_000, 40, 40)),
    "xc7a15t": Device("xc7", Budget(10_400, 20_800, 45, 50)),
    "xc7a25t": Device("xc7", Budget(14_600, 29_200, 80, 90)),
    "xc7a35t": Device("xc7", Budget(20_800, 41_600, 90, 100)),
    "xc7a50t": Device("xc7", Budget(32_600, 65_200, 120, 150)),
    "xc7a75t": Device("xc7", Budget(47_200, 94_400, 180, 210)),
    "xc7a100t": Device("xc7", Budget(63_400, 126_800, 240, 270)),
    "xc7a200t": Device("xc7", Budget(134_600, 269_200, 740, 730)),
    # Kintex-7 and Virtex-7
    "xc7k70t": Device("xc7", Budget(41_000, 82_000, 240, 270)),
    "xc7k160t": Device("xc7", Budget(101_400, 202_800, 600, 650)),
    "xc7k325t": Device("xc7", Budget(203_800, 407_600, 840, 890)),
    "xc7k355t": Device("xc7", Budget(222_600, 445_200, 1_440, 1_430)),
    "xc7k410t": Device("xc7", Budget(254_200, 508_400, 1_540, 1_590)),
    "xc7k420t": Device("xc7", Budget(260_600, 521_200, 1_680, 1_670)),
    "xc7k480t": Device("xc7", Budget(298_600, 597_200, 1_920, 1_910)),
    "xc7vx485t": Device("xc7", Budget(303_600, 607_200, 2_800, 2_060)),
    "xc7vx690t": Device("xc7", Budget(433_200, 866_400, 3_600, 2_940)),
    # Zynq-7000
    "xc7z007s": Device("xc7", Budget(14_400, 28_800, 66, 100)),
    "xc7z010": Device("xc7", Budget(17_600, 35_200, 80, 120)),
    "xc7z012s": Device("xc7", Budget(34_400, 68_800, 120, 144)),
    "xc7z014s": Device("xc7", Budget(40_600, 81_200, 170, 214)),
    "xc7z015": Device("xc7", Budget(46_200, 92_400, 160, 190)),
    "xc7z020": Device("xc7", Budget(53_200, 106_400, 220, 280)),
    "xc7z030": Device("xc7", Budget(78_600, 157_200, 400, 530)),
    "xc7z035": Device("xc7", Budget(171_900, 343_800, 900, 1_000)),
    "xc7z045": Device("xc7", Budget(218_600, 437_200, 900, 1_090)),
    "xc7z100": Device("xc7", Budget(277_400, 554_800, 2_020, 1_510)),
    # Kintex and Virtex UltraScale
    "xcku025": Device("xcu", Budget(145_440, 290_880, 1_152, 720)),
    "xcku035": Device("xcu", Budget(203_128, 406_256, 1_700, 1_080)),
    "xcku040": Device("xcu", Budget(242_400, 484_800, 1_920, 1_200)),
    "xcku060": Device("xcu", Budget(331_680, 663_360, 2_760, 2_160)),
    "xcku085": Device("xcu", Budget(497_520, 995_040, 4_100, 3_240)),
    "xcku095": Device("xcu", Budget(537_600, 1_075_200, 768, 3_360)),
    "xcku115": Device("xcu", Budget(663_360, 1_326_720, 5_520, 4_320)),
    "xcvu095": Device("xcu", Budget(537_600, 1_075_200, 768, 3_456)),
    # Zynq UltraScale+
    "xczu1cg": Device("xcup", Budget(37_440, 74_880, 216, 216)),
    "xczu1eg": Device("xcup", Budget(37_440, 74_880, 216, 216)),
    "xczu2cg": Device("xcup", Budget(47_232, 94_464, 240, 300)),
    "xczu2eg": Device("xcup", Budget(47_232, 94_464, 240, 300)),
    "xczu3cg": Device("xcup", Budget(70_560, 141_120, 360, 432)),
    "xczu3eg": Device("xcup", Budget(70_560, 141_120, 360, 432)),
    "xczu4cg": Device("xcup", Budget(87_840, 175_680, 728, 256, 48)),
    "xczu4eg": Device("xcup", Budget(87_840, 175_680, 728, 256, 48)),
    "xczu4ev": Device("xcup", Budget(87_840, 175_680, 728, 256, 48)),
    "xczu5cg": Device("xcup", Budget(117_120, 234_240, 1_248, 288, 64)),
    "xczu5eg": Device("xcup", Budget(117_120, 234_240, 1_248, 288, 64)),
    "xczu5ev": Device("xcup", Budget(117_120, 234_240, 1_248, 288, 64)),
    "xczu6cg": Device("xcup", Budget(214_604, 429_208, 1_973, 1_428)),
    "xczu6eg": Device("xcup", Budget(214_604, 429_208, 1_973, 1_428)),
    "xczu7cg": Device("xcup", Budget(230_400, 460_800, 1_728, 624, 96)),
    "xczu7eg": Device("xcup", Budget(230_400, 460_800, 1_728, 624, 96)),
    "xczu7ev": Device("xcup", Budget(230_400, 460_800, 1_728, 624, 96)),
    "xczu9cg": Device("xcup", Budget(274_080, 548_160, 2_520, 1_824)),
    "xczu9eg": Device("xcup", Budget(274_080, 548_160, 2_520, 1_824)),
    "xczu11eg": Device("xcup", Budget(298_560, 597_120, 2_928, 1_200, 80)),
    "xczu15eg": Device("xcup", Budget(341_280, 682_560, 3_528, 1_488, 112)),
    "xczu17eg": Device("xcup", Budget(423_403, 846_806, 1_590, 1_592, 102)),
    "xczu19eg": Device("xcup", Budget(522_720, 1_045_440, 1_968, 1_968, 128)),
    # Zynq UltraScale+ RFSoC
    "xczu27dr": Device("xcup", Budget(425_280, 850_560, 4_272, 2_160, 80)),
    "xczu28dr": Device("xcup", Budget(425_280, 850_560, 4_272, 2_160, 80)),
    "xczu29dr": Device("xcup", Budget(425_280, 850_560, 4_272, 2_160, 80)),
    "xczu47dr": Device("xcup", Budget(425_280, 850_560, 4_272, 2_160, 80)),
    "xczu48dr": Device("xcup", Budget(425_280, 850_560, 4_272, 2_160, 80)),
    "xczu49dr": Device("xcup", Budget(425_280, 850_560, 4_272, 2_160, 80)),
    # Kria
    "xck24": Device("xcup", Budget(70_560, 141_120, 360, 432)),
    "xck26": Device("xcup", Budget(117_120, 234_240, 1_248, 288, 64)),
    # Kintex and Virtex UltraScale+
    "xcku3p": Device("xcup", Budget(162_720, 325_440, 1_368, 720, 48)),
    "xcku5p": Device("xcup", Budget(216_960, 433_920, 1_824, 960, 64)),
    "xcku9p": Device("xcup", Budget(274_080, 548_160, 2_520, 1_824)),
    "xcku11p": Device("xcup", Budget(298_560, 597_120, 2_928, 1_200, 80)),
    "xcku13p": Device("xcup", Budget(341_280, 682_560, 3_528, 1_488, 112)),
    "xcku15p": Device("xcup", Budget(522_720, 1_045_440, 1_968, 1_968, 128)),
    "xcvu3p": Device("xcup", Budget(394_080, 788_160, 2_280, 1_440, 320)),
    "xcvu7p": Device("xcup", Budget(788_160, 1_576_320, 4_560, 2_880, 640)),
    "xcvu9p": Device("xcup", Budget(1_182_240, 2_364_480, 6_840, 4_320, 960)),
    "xcvu11p": Device("xcup", Budget(1_296_000, 2_592_000, 9_216, 4_032, 960)),
    "xcvu13p": Device("xcup", Budget(1_728_000, 3_456_000, 12_288, 5_376, 1_280)),
    "xcvu35p": Device("xcup", Budget(871_680, 1_743_360, 5_952, 2_688, 640)),
    "xcvu37p": Device("xcup", Budget(1_303_680, 2_607_360, 9_024, 4_032, 960)),
    # Alveo
    "xcu50": Device("xcup", Budget(871_680, 1_743_360, 5_952, 2_688, 640)),
    "xcu55c": Device("xcup", Budget(1_303_680, 2_607_360, 9_024, 4_032, 960)),
    "xcu200": Device("xcup", Budget(1_182_240, 2_364_480, 6_840, 4_320, 960)),
    "xcu250": Device("xcup", Budget(1_728_000, 3_456_000, 12_288, 5_376, 1_280)),
    "xcu280": Device("xcup", Budget(1_304_000, 2_607_000, 9_024, 4_032, 960)),
    # Versal
    "xcve2302": Device("versal", Budget(150_272, 300_544, 464, 310, 155)),
    "xcve2802": Device("versal", Budget(520_704, 1_041_408, 1_312, 1_200, 264)),
    "xcvc1902": Device("versal", Budget(899_840, 1_799_680, 1_968, 1_934, 463)),
    "xcvm1802": Device("versal", Budget(899_840, 1_799_680, 1_968, 1_934, 463)),
}
"""Every part that is known, by its device: a part has the package and the speed grade behind it."""

BOARDS: Mapping[str, str] = {
    "cora-z7-07s": "xc7z007sclg400-1",
    "zybo-z7-10": "xc7z010clg400-1",
    "zybo-z7-20": "xc7z020clg400-1",
    "arty-z7-20": "xc7z020clg400-1",
    "pynq-z1": "xc7z020clg400-1",
    "pynq-z2": "xc7z020clg400-1",
    "zedboard": "xc7z020clg484-1",
    "zc702": "xc7z020clg484-1",
    "zc706": "xc7z045ffg900-2",
    "arty-s7-25": "xc7s25csga324-1",
    "arty-s7-50": "xc7s50csga324-1",
    "arty-a7-35": "xc7a35ticsg324-1L",
    "arty-a7-100": "xc7a100tcsg324-1",
    "basys3": "xc7a35tcpg236-1",
    "nexys-a7-100": "xc7a100tcsg324-1",
    "nexys-video": "xc7a200tsbg484-1",
    "kc705": "xc7k325tffg900-2",
    "kcu105": "xcku040-ffva1156-2-e",
    "pynq-zu": "xczu5eg-sfvc784-1-e",
    "ultra96": "xczu3eg-sbva484-1-e",
    "ultra96-v2": "xczu3eg-sbva484-1-i",
    "zcu102": "xczu9eg-ffvb1156-2-e",
    "zcu104": "xczu7ev-ffvc1156-2-e",
    "zcu111": "xczu28dr-ffvg1517-2-e",
    "kv260": "xck26-sfvc784-2LV-c",
    "kr260": "xck26-sfvc784-2LV-c",
    "vcu118": "xcvu9p-flga2104-2L-e",
    "u50": "xcu50-fsvh2104-2-e",
    "u55c": "xcu55c-fsvh2892-2L-e",
    "u200": "xcu200-fsgd2104-2-e",
    "u250": "xcu250-figd2104-2L-e",
    "u280": "xcu280-fsvh2892-2L-e",
    "vck190": "xcvc1902-vsva2197-2MP-e-S",
}
"""The part of each board that is known by its name."""
NEAREST = 4
"""How many names are listed where one is not known."""


def part_of(given: str) -> str:
    """The part that was named, itself or by the board that carries it; BitwrightError lists the nearest names."""
    board = given.lower().replace("_", "-")
    part = BOARDS.get(board, given)
    if _device(part) is None:
        names = [*DEVICES, *BOARDS]
        nearest = get_close_matches(board.partition("-")[0] if board.startswith("xc") else board, names, NEAREST, 0.0)
        raise BitwrightError(
            f"the part {given!r} is not known",
            where="--part",
            hint=f"the nearest names are {', '.join(nearest)}; name a part or its device, or a board",
        )
    return part


def is_known(part: str) -> bool:
    """Whether the device of `part`, or of a board, is in the table."""
    return _device(BOARDS.get(part, part)) is not None


def device(part: str) -> Device:
    """The device of `part` (xc7z020clg400-1, ...) or of a board; BitwrightError lists the nearest names for others."""
    found = _device(part_of(part))
    assert found is not None, part
    return found


def ultra_rams(part: str | None) -> int:
    """The UltraRAMs of `part`: none where none is named, nor in families that have none."""
    return 0 if part is None else device(part).budget.uram


def cells_of(part: str | None) -> Family:
    """The family whose cells are counted: that of `part`, or series 7 where none is named."""
    return "xc7" if part is None else device(part).cells


def _device(part: str) -> Device | None:
    """The device a part is a package and grade of; nothing else may stand behind its name, which goes into scripts."""
    return next(
        (known for name, known in DEVICES.items() if re.fullmatch(rf"{name}(?![0-9])[a-z0-9_.-]*", part.lower())), None
    )
