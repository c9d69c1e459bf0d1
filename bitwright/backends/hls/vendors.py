# SPDX-License-Identifier: Apache-2.0
"""The vendors of HLS tools, a row each: how a tool spells pragmas, which headers it has, which scripts it runs.

The library and the templates are written for Vitis; other rows say how its lines read elsewhere. A pragma that a row
does not name is left out there: it tells a tool where to put things, not what they compute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bitwright.ir.errors import BitwrightError

PRAGMA = re.compile(r"^( *)#pragma HLS (\w+)(.*)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One tool.

    `rules` is the template of what the Makefile does with it, `scripts` are files of its own and their templates.
    `pragmas` are patterns of what follows `#pragma HLS`, and what replaces it; None: all stay as they are. `macro` is
    what it defines in synthesis. `lacks` are headers that it does not bring: the project carries them with its kernels.
    """

    name: str
    rules: str
    scripts: Mapping[str, str]
    pragmas: Mapping[str, str] | None = None
    macro: str = "__SYNTHESIS__"
    lacks: tuple[str, ...] = field(default=())

    def spelled(self, text: str) -> str:
        """C++ in this tool's spelling."""
        for header in self.lacks:
            text = text.replace(f"#include <{header}>", f'#include "{header}"')
        text = text.replace("__SYNTHESIS__", self.macro)
        return text if self.pragmas is None else PRAGMA.sub(self._pragma, text)

    def _pragma(self, line: re.Match[str]) -> str:
        said = f"{line[2]}{line[3]}"
        for pattern, new in (self.pragmas or {}).items():
            if re.fullmatch(pattern, said):
                return f"{line[1]}#pragma HLS {re.sub(pattern, new, said)}\n"
        return ""


VITIS = Vendor(
    name="vitis",
    rules="vitis.mk.j2",
    scripts={
        "build_prj.tcl": "build_prj.tcl.j2",
        "vendor_check.tcl": "vendor_check.tcl.j2",
        "hls_config.cfg": "hls_config.cfg.j2",
    },
)
BAMBU = Vendor(
    name="bambu",
    rules="bambu.mk.j2",
    scripts={},
    pragmas={
        r"PIPELINE II=(\d+).*": r"pipeline II=\1",
        r"UNROLL": "unroll",
        r"INLINE": "inline",
        r"DATAFLOW": "dataflow",
        r"INTERFACE axis port=(\w+)": r"interface port=\1 mode=axis",
    },
    macro="__BAMBU__",
    lacks=("ap_axi_sdata.h",),
)
VENDORS = {vendor.name: vendor for vendor in (VITIS, BAMBU)}


def vendor_of(name: str) -> Vendor:
    """The row of that name; BitwrightError names those there are."""
    if name not in VENDORS:
        raise BitwrightError(
            f"there is no vendor {name!r}", where="--hls-vendor", hint="known vendors: " + ", ".join(VENDORS)
        )
    return VENDORS[name]
