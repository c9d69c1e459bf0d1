# SPDX-License-Identifier: Apache-2.0
"""The arithmetic modules as sizes: adder trees, multiply-accumulators, requantisers; see `streams.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from bitwright.hardware.arithmetic import FactorKind
from bitwright.hardware.cells import DSP_BITS, Family
from bitwright.hardware.modules.streams import Part, Parts, credit_pipe, log2, mux, ram, times, wrap

DSP_PRODUCT = 9
"""Bits of the narrowest product that Yosys puts in a DSP slice: DSP_Y_MINWIDTH of `synth_xilinx`."""


def product_slices(a: int, b: int, kept: int, family: Family = "xcup") -> int:
    """DSP slices of a signed product of `a` x `b` bits, of which `kept` are read; 0 if Yosys makes logic of it."""
    if min(a, b) < 2 or min(a + b, kept) < DSP_PRODUCT:
        return 0
    wide, narrow, (most, least) = max(a, b), min(a, b), DSP_BITS[family]
    slices = 1 if wide <= most else -(-(wide - 1) // (least - 1))
    return slices if narrow <= least else slices * -(-(narrow - 1) // (least - 1))


# Sums


def tree_latency(operands: int) -> int:
    """Levels of the pipelined adder tree: one for every factor of four."""
    levels = 0
    while 4**levels < operands:
        levels += 1
    return levels


@cache
def adder_tree(*, n: int, w: int) -> Parts:
    """A sum of `n` operands of `w` bits, four to one a level."""
    terms = dict.fromkeys(("registers", "pairs", "triples", "quads", "pair", "triple", "quad"), 0.0)
    while n > 1:
        quads, rest = divmod(n, 4)
        terms["quads"] += quads * w
        terms["quad"] += quads
        if rest:
            terms[("registers", "pairs", "triples")[rest - 1]] += w
            if rest > 1:
                terms[("pair", "triple")[rest - 2]] += 1
        n, w = quads + (rest > 0), w + 2
    return (Part("adder_tree", terms),)


@cache
def accumulate(*, pe: int, n: int, w: int, acc_w: int, each: bool = False) -> Parts:
    """`pe` adder trees and the accumulators behind them; with `each` a constant is added at every beat."""
    own = Part("accumulate", {"sums": pe * acc_w, "levels": tree_latency(n), "each": pe * acc_w if each else 0})
    return (own, *times(pe, adder_tree(n=n, w=w)))


# Matrix-vector units


@cache
def mvu_flow(*, groups: int, row_fold: int, col_fold: int, beat_w: int, result_w: int, latency: int) -> Parts:
    """What a matrix-vector unit has around its arithmetic: counters, the replayed vector, flow control."""
    words = groups * row_fold * col_fold
    own = Part(
        "mvu_flow",
        {
            "address": log2(words),
            "column": log2(col_fold),
            "row": log2(row_fold),
            "wraps": wrap(words) + wrap(col_fold) + wrap(row_fold),
        },
    )
    store: Parts = (Part("replay", {"width": beat_w}),)
    if row_fold > 1:
        store = (Part("replay_stored", {"width": beat_w}), *ram(width=beat_w, depth=col_fold))
    return (own, *store, *credit_pipe(width=result_w, latency=latency, depth=(latency + 1) // col_fold + 2))


@cache
def mac_lut(*, pe: int, simd: int, x_bits: int, w_bits: int, acc_w: int) -> Parts:
    """`x_bits` and `w_bits`: of the factors in two's complement."""
    count, rows = pe * simd, w_bits - 2
    terms = {
        "result": count * (x_bits + w_bits),
        "first": count * x_bits,
        "rows": count * x_bits * rows,
        "more_rows": count * x_bits * max(0, rows - 2),
        "row": count * rows,
        "more_row": count * max(0, rows - 2),
        "products": count,
    }
    return (Part("mac_lut", terms), *accumulate(pe=pe, n=simd, w=x_bits + w_bits, acc_w=acc_w))


@cache
def mac_ternary(*, pe: int, simd: int, term_w: int, acc_w: int) -> Parts:
    """Products with weights of one sign bit, or -1, 0 and 1, and their sums: no multiplier, whatever the inputs.

    Priced as what it takes beside others (Andri, Cavigelli, Rossi, Benini: "YodaNN: an architecture for ultralow power
    binary-weight CNN acceleration", IEEE TCAD 2018, arXiv 1606.05487; R163).
    """
    own = Part("mac_ternary", {"bits": pe * simd * term_w, "terms": pe * simd})
    return (own, *accumulate(pe=pe, n=simd, w=term_w, acc_w=acc_w))


@cache
def mac_xnor(*, pe: int, simd: int, acc_w: int) -> Parts:
    """Products of signs, and their sums."""
    whole, rest = divmod(simd, 3)
    own = Part("mac_xnor", {"threes": pe * whole, "one": pe * (rest == 1), "two": pe * (rest == 2)})
    return (own, *accumulate(pe=pe, n=-(-simd // 3), w=4, acc_w=acc_w))


@cache
def mac_dsp(
    *, pe: int, simd: int, x_bits: int, w_bits: int, acc_w: int, packed: tuple[int, int, int], each: bool = False
) -> Parts:
    """`packed`: products of one multiplier, bits of one of them, and bits of the packed weights.

    With `each` the folds differ in length, so that every beat takes back the bias of its products.
    """
    lanes, stride, pack_w = packed
    slices = product_slices(pack_w, x_bits, lanes * stride)
    terms = {
        "packed": (lanes - 1) * w_bits,
        "carried": pack_w if lanes > 2 else 0,
        "factors": pack_w + x_bits,
        "sum": min(lanes * stride, pack_w + x_bits),
    }
    if not slices:
        terms["rows"] = max(pack_w, x_bits) * (min(pack_w, x_bits) - 2)
    kind = "packed_product" if slices else "packed_product_lut"
    product = Part(kind, terms, -(-pe // lanes) * simd, slices)
    return (Part("mac_dsp", {}), product, *accumulate(pe=pe, n=simd, w=stride + 1, acc_w=acc_w, each=each))


@cache
def depthwise(
    *, blocks: int, fold: int, lanes: int, multiplier: int, simd: int, x_w: int, x_bits: int, w_bits: int, acc_w: int
) -> Parts:
    """A depthwise unit."""
    latency = tree_latency(simd) + 3
    own = Part("depthwise", {"input": simd * lanes * x_w, "beat": log2(fold), "address": log2(blocks * fold)})
    macs = times(lanes, mac_lut(pe=multiplier, simd=simd, x_bits=x_bits, w_bits=w_bits, acc_w=acc_w))
    flow = credit_pipe(width=lanes * multiplier * acc_w, latency=latency, depth=(latency + 1) // fold + 2)
    return (own, *macs, *flow)


@cache
def select_flow(*, products: int, of: int, x_w: int, words: int) -> Parts:
    """What a unit for n-of-m weights has before its multipliers, without the flow around it."""
    bits = products * x_w
    return (Part("select_flow", {"chosen": bits, "select": bits * mux(of), "address": log2(words)}),)


@cache
def sparse_flow(
    *, col_fold: int, words: int, ports: int, beat_w: int, result_w: int, latency: int, depth: int
) -> Parts:
    """What a unit that skips zeros has around its arithmetic: a buffer for two vectors at each port, flow control."""
    own = Part("sparse_flow", {"column": log2(col_fold), "address": log2(words)})
    store = times(ports, ram(width=beat_w, depth=2 ** (max(1, log2(col_fold)) + 1)))
    return (own, *store, *credit_pipe(width=result_w, latency=latency, depth=depth))


# Requantisers


@dataclass(frozen=True, slots=True, kw_only=True)
class MasLane:
    """One lane of `bw_mas`: the bits of m, c, window and bounds, of the sum, and of the shift, and what is constant.

    `factor` is how m is told; `power`: it is one power of two, or its negative, and then `negative`; `zero`: it is 0.
    `odd_w`: bits of the one factor without the zeros at its low end, which a multiplier does not see.
    `each_offset`, `each_window`, `each_bounds`: the channels have their own.
    """

    m_w: int
    c_w: int
    win_w: int
    bound_w: int
    u_w: int
    shift: int
    factor: FactorKind = "each"
    power: bool = False
    zero: bool = False
    negative: bool = False
    odd_w: int = 0
    each_offset: bool = True
    each_window: bool = True
    each_bounds: bool = True

    @property
    def multiplies(self) -> bool:
        """Whether it takes a multiplier."""
        return self.factor == "each" or (self.factor == "same" and not self.power and not self.zero)


def _lane_terms(width: int, x_bits: int, y_w: int, lane: MasLane) -> dict[str, float]:
    """What is in every lane, with a product of `width` bits if there is one."""
    kept = max(1, lane.u_w - lane.shift)
    return {
        "product": min(x_bits, lane.u_w) if lane.power else width,
        "offset": min(lane.c_w, lane.u_w) if lane.each_offset else 0,
        "sum": lane.u_w,
        "window": lane.win_w if lane.each_window else 0,
        "bounds": lane.bound_w if lane.each_bounds else 0,
        "kept": kept,
        "limits": kept if lane.each_bounds else 0,
        "code": y_w,
    }


def _mas_lane(x_bits: int, y_w: int, lane: MasLane) -> Parts:
    """One lane: wires or a shifter, a product without a DSP slice, with one, or split among several."""
    if lane.zero:
        return (_constant_lane(y_w, lane),)
    width = min(x_bits + lane.m_w, lane.u_w)
    terms = _lane_terms(width, x_bits, y_w, lane)
    if not lane.multiplies:
        signs = {"signs": width if lane.factor == "powers" or lane.negative else 0}
        if lane.factor == "same":
            return (Part("mas_lane_wired", terms | signs),)
        return (Part("mas_lane_shift", terms | signs | {"shifter": width * log2(lane.m_w)}),)
    slices = {family: product_slices(x_bits, lane.odd_w or lane.m_w, lane.u_w, family) for family in DSP_BITS}
    if not slices["xcup"]:
        return (Part("mas_lane_lut", terms | {"partial": x_bits * lane.m_w}),)
    found = [
        Part("mas_lane", terms, dsp=1, family=family)
        if count == 1
        else Part("mas_lane_split", terms | {"more": (count - 1) * lane.u_w}, dsp=count, family=family)
        for family, count in slices.items()
    ]
    return tuple(found) if slices["xcup"] != slices["xc7"] else (replace(found[0], family=None),)


def _constant_lane(y_w: int, lane: MasLane) -> Part:
    """One lane with a factor of 0: the code of each channel's c, or wires."""
    held = min(lane.c_w, lane.u_w) if lane.each_offset else 0
    terms = {
        "offset": held,
        "window": lane.win_w if lane.each_window else 0,
        "bounds": lane.bound_w if lane.each_bounds else 0,
        "kept": max(0, held - lane.shift),
        "code": y_w if held or lane.each_bounds else 0,
    }
    return Part("mas_lane_constant", terms)


@cache
def mas(*, lanes: int, folds: int, x_w: int, x_bits: int, y_w: int, lane: MasLane) -> Parts:
    """A requantiser that multiplies, adds and shifts."""
    own = Part("mas", {"input": lanes * x_w, "address": log2(folds)})
    many = tuple(replace(part, count=lanes) for part in _mas_lane(x_bits, y_w, lane))
    return (own, *many, *credit_pipe(width=lanes * y_w, latency=4, depth=6))


@cache
def thresholds(*, lanes: int, folds: int, x_w: int, x_bits: int, t_w: int, bits: int, y_w: int) -> Parts:
    """A requantiser that searches among thresholds."""
    later = (1 << bits) - 1 - bits  # thresholds that are registered behind the first stage
    terms = {
        "halves": later * t_w,
        "compare": bits * max(x_bits, t_w),
        "input": x_bits,
        "operand": (bits - 1) * x_bits,
        "steps": bits * (bits - 1) / 2,
        "first": (bits - 1) * y_w,
        "code": y_w,
    }
    own = Part("thresholds", {"input": lanes * x_w, "address": log2(folds)})
    flow = credit_pipe(width=lanes * y_w, latency=bits + 1, depth=bits + 3)
    return (own, Part("thresholds_lane", terms, lanes), *flow)


@cache
def lookup(*, lanes: int, y_w: int) -> Parts:
    """A requantiser by table, without its table."""
    return credit_pipe(width=lanes * y_w, latency=1, depth=3)
