# SPDX-License-Identifier: Apache-2.0
"""Modules of the library by their Verilog parameters, as the parts of the resource model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any, get_args

import numpy as np

from bitwright.hardware.arithmetic import FactorKind, odd_bits
from bitwright.hardware.cells import Family
from bitwright.hardware.kernels import adder as sums
from bitwright.hardware.kernels import joins, moves, reduce
from bitwright.hardware.modules import streams as terms
from bitwright.hardware.modules import units as unit_terms
from bitwright.hardware.modules import windows as window_terms
from bitwright.hardware.modules.memories import Columns, columns
from bitwright.hardware.modules.streams import Part, Parts
from bitwright.hardware.modules.windows import Geometry
from bitwright.ir.window import Window

Parameters = Mapping[str, Any]

LEFT_OUT = (
    "AddrW",
    "KW",
    "Weights",
    "ByteW",
    "Taps",
    "FieldW",
    "OutW",
    "Bias",
    "C",
    "PadValue",
    "Start",
    "FirstLast",
)
"""Parameters that follow from others, and values that the model does not look at."""

SINCE: Mapping[str, int] = {"EachOffset": 1, "Powers": 0, "Shifts": 0, "DistanceW": 1}
"""Parameters that came after samples, with what all modules had before: such a module is one of those."""

STYLES = ("lut", "ternary", "dsp", "xnor")
"""The styles of `bw_mac` by number; each has samples and a model of its own, `bw_mac_lut` and so on."""
FACTORS: Sequence[FactorKind] = get_args(FactorKind)
"""What factors are like, by number."""
SHARED = ("Lanes", "Stride", "PackW")
NOT_OF_STYLE: Mapping[str, Sequence[str]] = {
    "bw_mac_lut": ("Style", "Cols", *SHARED),
    "bw_mac_ternary": ("Style", "Cols", *SHARED),
    "bw_mac_dsp": ("Style",),
    "bw_mac_xnor": ("Style", "XW", "XCode", "WW", "WCode", *SHARED),
}
"""The parameters of `bw_mac` that a style does not have."""


def called(name: str, parameters: Parameters) -> str:
    """What the samples call a module: its name, and that of its style where they are fitted apart."""
    return f"{name}_{STYLES[parameters['Style']]}" if name == "bw_mac" else name


def kept(name: str, parameters: Parameters) -> dict[str, Any]:
    """The parameters that a sample keeps: of a ROM its size and what its columns are like in place of its words.

    `name` is what the module is `called`.
    """
    if not name.startswith("bw_rom"):
        without = (*LEFT_OUT, *NOT_OF_STYLE.get(name, ()))
        own = {key: value for key, value in parameters.items() if key not in without and not _was_so(key, value)}
        return own | {"Each": _is_set(own["Each"])} if "Each" in own else own
    words, width = parameters["Words"], parameters["Width"]
    if "Content" in parameters:
        values = [int(line, 16) for line in parameters["Content"].split()]
    else:
        flat = parameters["Init"]
        flat = int(flat, 2) if isinstance(flat, str) else flat % (1 << words * width)
        values = [(flat >> index * width) & ((1 << width) - 1) for index in range(words)]
    bits = np.array([[value >> place & 1 for place in range(width)] for value in values], dtype=np.uint8)
    found, block = columns(bits), "block" in parameters["Style"]
    own = {"Words": words, "Width": width, "Ports": parameters["Ports"], "Block": block}
    return own | {"Columns": astuple(found)}


def _was_so(key: str, value: int | str) -> bool:
    """True for what all modules had before the parameter came."""
    return key in SINCE and SINCE[key] == _flat(value)


def _is_set(value: object) -> bool:
    """True for a constant that is not zero, be it a number or binary digits."""
    return "1" in value if isinstance(value, str) else value != 0


def decoded(code: int, bits: int) -> int:
    """Bits of an element in two's complement: code 0 is unsigned, 1 signed, 2 bipolar."""
    return (bits + 1, bits, 2)[code]


def _geometry(p: Parameters) -> Geometry:
    size = p["Height"], p["Width"]
    window = Window((p["KernelH"], p["KernelW"]), (p["StrideH"], p["StrideW"]), (p["DilationH"], p["DilationW"]))
    bottom = (p["OutHeight"] - 1) * p["StrideH"] + window.reach[0] - p["Height"] - p["Top"]
    right = (p["OutWidth"] - 1) * p["StrideW"] + window.reach[1] - p["Width"] - p["Left"]
    window = replace(window, pads=(p["Top"], p["Left"], max(bottom, 0), max(right, 0)))
    assert window.out(size) == (p["OutHeight"], p["OutWidth"])
    return Geometry(height=p["Height"], width=p["Width"], blocks=p["Blocks"], window=window)


def _window(p: Parameters) -> Parts:
    return window_terms.window(
        at=_geometry(p), inner=p["Inner"], lanes=p.get("Lanes", 1), x_w=p.get("XW", 1), depth=p.get("Depth", 1)
    )


def _line(p: Parameters) -> Parts:
    return window_terms.window_line(at=_geometry(p), period=p.get("Period", 1), lanes=p["Lanes"], x_w=p["XW"])


def _ram(p: Parameters) -> Parts:
    if p.get("Style") == "block":
        return terms.fifo_block(width=p["Width"], depth=p["Depth"])[1:]
    return terms.ram(width=p["Width"], depth=p["Depth"])


def _columns(varying: int, distinct: int, reading: Sequence[int], wide: int, pieces: int) -> Columns:
    return Columns(varying, distinct, tuple(reading), wide, pieces)


def _rom(p: Parameters) -> Parts:
    found = _columns(*p["Columns"])
    return terms.rom(words=p["Words"], width=p["Width"], ports=p["Ports"], block=p["Block"], columns=found)


def _flow(p: Parameters) -> Parts:
    return unit_terms.mvu_flow(
        groups=p["Groups"], row_fold=p["RowFold"], col_fold=p["ColFold"], beat_w=p["BeatW"], result_w=p["ResultW"],
        latency=p["Latency"],
    )  # fmt: skip


def _accumulate(p: Parameters) -> Parts:
    return unit_terms.accumulate(pe=p["PE"], n=p["N"], w=p["W"], acc_w=p["AccW"], each=p.get("Each", False))


def _mac_lut(p: Parameters) -> Parts:
    x_bits, w_bits = decoded(p["XCode"], p["XW"]), decoded(p["WCode"], p["WW"])
    return unit_terms.mac_lut(pe=p["PE"], simd=p["SIMD"], x_bits=x_bits, w_bits=w_bits, acc_w=p["AccW"])


def _mas(p: Parameters) -> Parts:
    """Samples from before constants were parameters tell none: each channel had its own."""
    factor, m = FACTORS[p.get("Factor", 0)], _signed(p.get("M", 0), p["MW"])
    each_window, each_bounds = bool(p.get("EachWindow", 1)), bool(p.get("EachBounds", 1))
    each_offset = bool(p.get("EachOffset", 1))
    same = factor == "same"
    lane = unit_terms.MasLane(
        m_w=p["MW"], c_w=p["CW"], win_w=p["WinW"], bound_w=p["BoundW"], u_w=p["UW"], shift=p["Shift"], factor=factor,
        power=same and abs(m).bit_count() == 1, zero=same and m == 0, negative=same and m < 0,
        odd_w=odd_bits(m) if same else 0, each_offset=each_offset, each_window=each_window, each_bounds=each_bounds,
    )  # fmt: skip
    x_bits = decoded(p["XCode"], p["XW"]) if "XCode" in p else p["XW"]
    return unit_terms.mas(
        lanes=p.get("Lanes", 1), folds=p.get("Folds", 1), x_w=p["XW"], x_bits=x_bits, y_w=p["YW"], lane=lane
    )


def _signed(value: int | str, bits: int) -> int:
    """A parameter of so many bits as the number that it is."""
    raw = (int(value, 2) if isinstance(value, str) else value) % (1 << bits)
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def _adder(p: Parameters) -> Parts:
    """Samples from before factors were parameters tell none: each channel had its own."""
    count, bits = p["Operands"], p["FW"]
    flat = _flat(p.get("Factors", 0))
    factors: list[int | FactorKind] = [_signed(flat >> k * bits, bits) for k in range(count)]
    which: Mapping[FactorKind, int | str] = {
        "each": p.get("EachFactor", (1 << count) - 1), "powers": p.get("Powers", 0), "shifts": p.get("Shifts", 0)
    }  # fmt: skip
    for kind, mask in which.items():
        factors = [kind if _flat(mask) >> k & 1 else factor for k, factor in enumerate(factors)]
    return sums.adder(
        factors=tuple(factors), lanes=p["Lanes"], folds=p["Folds"], x_w=p["XW"], f_w=bits, d_w=p.get("DistanceW", 1),
        p_w=p.get("ProdW", p["XW"] + bits), y_w=p["YW"],
    )  # fmt: skip


def _flat(value: int | str) -> int:
    """A parameter as the number of its bits."""
    return int(value, 2) if isinstance(value, str) else value


def _thresholds(p: Parameters) -> Parts:
    x_bits = decoded(p["XCode"], p["XW"]) if "XCode" in p else p["XW"]
    return unit_terms.thresholds(
        lanes=p.get("Lanes", 1), folds=p.get("Folds", 1), x_w=p["XW"], x_bits=x_bits, t_w=p["TW"], bits=p["Bits"],
        y_w=p["YW"],
    )  # fmt: skip


def _depthwise(p: Parameters) -> Parts:
    return unit_terms.depthwise(
        blocks=p["Blocks"], fold=p["Fold"], lanes=p["Lanes"], multiplier=p["Multiplier"], simd=p["SIMD"], x_w=p["XW"],
        x_bits=decoded(p["XCode"], p["XW"]), w_bits=decoded(p["WCode"], p["WW"]), acc_w=p["AccW"],
    )  # fmt: skip


def _packed(p: Parameters) -> Part:
    found = unit_terms.mac_dsp(
        pe=p["Lanes"], simd=1, x_bits=p["XW"], w_bits=p["WW"], acc_w=1,
        packed=(p["Lanes"], p["Stride"], p["PackW"]),
    )  # fmt: skip
    return found[1]


def _sparse_flow(p: Parameters) -> Parts:
    return unit_terms.sparse_flow(
        col_fold=p["ColFold"], words=p["Words"], ports=p["Ports"], beat_w=p["BeatW"], result_w=p["ResultW"],
        latency=p["Latency"], depth=p["Depth"],
    )  # fmt: skip


def _argmax(p: Parameters) -> Parts:
    return reduce.argmax_reduce(
        fold=p.get("Fold", 1), lanes=p.get("Lanes", p.get("N", 1)), x_w=p.get("XW", p.get("W", 1)), y_w=p.get("YW", 1)
    )


def _interleave(p: Parameters) -> Parts:
    count, parts = p["Operands"], p["Parts"]
    flat = int(parts, 2) if isinstance(parts, str) else parts % (1 << 32 * count)
    longest = max(flat >> 32 * index & 0xFFFFFFFF for index in range(count))
    return joins.interleave(operands=count, width=p["Width"], longest=longest)


def _select_flow(p: Parameters) -> Parts:
    count = p["PE"] * p["Sets"] * p["Kept"]
    words = p["Groups"] * p["RowFold"] * p["ColFold"]
    return unit_terms.select_flow(products=count, of=p["Of"], x_w=p["XW"], words=words)


OWN: Mapping[str, Callable[[Parameters], Part | Parts | None]] = {
    "bw_elastic_reg": lambda p: terms.elastic_reg(width=p["Width"])[0],
    "bw_fifo": lambda p: terms.fifo(width=p["Width"], depth=p["Depth"])[0],
    "bw_fifo_shift": lambda p: terms.fifo_shift(width=p["Width"], depth=p["Depth"])[0],
    "bw_fifo_block": lambda p: terms.fifo_block(width=p["Width"], depth=p["Depth"])[0],
    "bw_credit_pipe": lambda p: terms.credit_pipe(width=p["Width"], latency=p["Latency"], depth=p["Depth"])[0],
    "bw_axis_sink": lambda p: terms.axis_sink(lanes=p["Lanes"], elem_w=p["ElemW"], beats=p["Beats"])[0],
    "bw_axis_source": lambda p: terms.axis_source(lanes=p["Lanes"], elem_w=p["ElemW"], beats=p["Beats"])[0],
    "bw_width_up": lambda p: terms.width_up(width=p["Width"], ratio=p["Ratio"])[0],
    "bw_width_down": lambda p: terms.width_down(width=p["Width"], ratio=p["Ratio"])[0],
    "bw_fork": lambda p: joins.fork(width=p["Width"], copies=p["Copies"])[0],
    "bw_ram": lambda p: _ram(p),
    "bw_reorder": lambda p: moves.reorder(
        width=p["Lanes"] * p["XW"],
        words=2 << max(1, terms.log2(p["InBeats"])),
        in_beats=p["InBeats"],
        out_beats=p["OutBeats"],
        ultra=False,
    )[0],
    "bw_adder_tree": lambda p: unit_terms.adder_tree(n=p["N"], w=p["W"])[0],
    "bw_accumulate": lambda p: _accumulate(p)[0],
    "bw_adder": lambda p: _adder(p)[0],
    "bw_multiplier": lambda p: joins.multiplier(lanes=p["Lanes"], x_w=p["XW"], y_w=p["YW"])[0],
    "bw_max_reduce": lambda p: reduce.max_reduce(fold=p["Fold"], lanes=p["Lanes"], x_w=p["XW"])[0],
    "bw_sum_reduce": lambda p: reduce.sum_reduce(fold=p["Fold"], lanes=p["Lanes"], y_w=p["YW"])[0],
    "bw_select_flow": lambda p: _select_flow(p)[0],
    "bw_sparse_flow": lambda p: _sparse_flow(p)[0],
    "bw_argmax_reduce": lambda p: _argmax(p)[0],
    "bw_argmax_tree": lambda p: _argmax(p)[1],
    "bw_interleave": lambda p: _interleave(p)[0],
    "bw_mvu_flow": lambda p: _flow(p)[0],
    "bw_replay": lambda p: Part("replay_stored" if p["Times"] > 1 else "replay", {"width": p["Width"]}),
    "bw_mac_lut": lambda p: _mac_lut(p)[0],
    "bw_mac_ternary": lambda p: unit_terms.mac_ternary(pe=p["PE"], simd=p["SIMD"], term_w=p["XW"] + 1, acc_w=p["AccW"])[
        0
    ],
    "bw_mac_xnor": lambda p: unit_terms.mac_xnor(pe=p["PE"], simd=p["SIMD"], acc_w=p["AccW"])[0],
    "bw_mac_dsp": lambda p: Part("mac_dsp", {}),
    "bw_packed_product": _packed,
    "bw_depthwise": lambda p: _depthwise(p)[0],
    "bw_mas": lambda p: _mas(p)[0],
    "bw_mas_lane": lambda p: _mas(p)[1:-2],
    "bw_thresholds": lambda p: _thresholds(p)[0],
    "bw_thresholds_lane": lambda p: _thresholds(p)[1],
    "bw_window": lambda p: _window(p)[0],
    "bw_window_walk": lambda p: _window(p)[1],
    "bw_window_line": lambda p: _line(p)[0],
    "bw_window_mask": lambda p: _line(p)[1],
    "bw_delay": lambda p: window_terms.delay(width=p["Width"], depth=p["Depth"])[0],
    "bw_rom_inline": lambda p: next(iter(_rom(p)), None),
    "bw_rom_hex": lambda p: next(iter(_rom(p)), None),
}
"""Module -> the part that its own cells are; modules that only hold others are left out."""


def own(name: str, parameters: Parameters, family: Family = "xcup") -> Part | None:
    """The part that a module's own cells are on a family, None for a ROM that is nothing but constants."""
    found = OWN[name](parameters)
    if isinstance(found, tuple):
        return next(part for part in found if part.family in (None, family))
    return found
