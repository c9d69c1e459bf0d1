# SPDX-License-Identifier: Apache-2.0
"""Modules that random designs seldom have, with parameters drawn at random: samples for the fit alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.random import Generator

from benchmarks.fit.yosys import Instance

COUNT = 10
"""Instances of each kind."""


def benches(seed: int = 0) -> Iterator[Instance]:
    """`COUNT` instances of each kind, the same for the same seed."""
    rng = np.random.default_rng(seed)
    for module, draw in DRAWS:
        for _ in range(COUNT):
            parameters = draw(rng)
            yield Instance(module, ", ".join(f".{name}({value})" for name, value in parameters.items()))


def _between(rng: Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def _xnor(rng: Generator) -> Mapping[str, object]:
    simd = _between(rng, 1, 16)
    own = {"Style": "bw_pkg::Xnor", "XW": 1, "XCode": "bw_pkg::Bipolar", "WW": 1, "WCode": "bw_pkg::Bipolar"}
    return own | {"PE": _between(rng, 1, 3), "SIMD": simd, "Cols": 4 * simd, "AccW": (4 * simd).bit_length() + 1}


def _multiplier(rng: Generator) -> Mapping[str, object]:
    bits = _between(rng, 2, 9)
    return {"Lanes": _between(rng, 1, 3), "XW": bits, "YW": _between(rng, bits, 2 * bits)}


def _small_multiplier(rng: Generator) -> Mapping[str, object]:
    bits = _between(rng, 2, 4)
    return {"Lanes": _between(rng, 1, 4), "XW": bits, "YW": min(8, 2 * bits)}


def _small_adder(rng: Generator) -> Mapping[str, object]:
    x, f = _between(rng, 3, 5), 2
    own = {"Operands": _between(rng, 2, 3), "Lanes": _between(rng, 1, 3), "Folds": _between(rng, 1, 6)}
    return own | {"XW": x, "FW": f, "YW": x + f}


def _sums(rng: Generator, x: int, numbers: list[int], each: int) -> Mapping[str, object]:
    """A sum with these factors; those of which a bit of `each` is set are of their channels."""
    f = max(max(-number, number).bit_length() + 1 for number in numbers)
    products = x + f if each else max((abs(number) << x - 1).bit_length() + 1 for number in numbers)
    packed = sum(number % (1 << f) << place * f for place, number in enumerate(numbers))
    own = {"Operands": len(numbers), "Lanes": _between(rng, 1, 3), "Folds": _between(rng, 1, 6) if each else 1}
    own |= {"XW": x, "FW": f, "Factors": f"{len(numbers) * f}'d{packed}", "EachFactor": f"{len(numbers)}'d{each}"}
    return own | {"ProdW": products, "YW": products + 1}


def _wired_adder(rng: Generator) -> Mapping[str, object]:
    """A sum of powers of two and of their negatives, most of them one."""
    powers = [1 << _between(rng, 0, 3) * _between(rng, 0, 1) for _ in range(_between(rng, 2, 4))]
    return _sums(rng, _between(rng, 3, 20), [-power if rng.random() < 0.2 else power for power in powers], 0)


def _narrow_adder(rng: Generator) -> Mapping[str, object]:
    """A sum whose products are too narrow for DSP slices."""
    numbers = [(1, 3, -3, 2)[_between(rng, 0, 3)] for _ in range(_between(rng, 2, 3))]
    return _sums(rng, _between(rng, 2, 5), [*numbers, 3], _between(rng, 0, 1))


def _wide_adder(rng: Generator) -> Mapping[str, object]:
    """A sum with DSP slices, some operands behind wires."""
    numbers = [1 if rng.random() < 0.3 else _between(rng, 5, 1 << _between(rng, 4, 16)) for _ in range(2)]
    return _sums(rng, _between(rng, 7, 16), [*numbers, 77][-_between(rng, 2, 3) :], _between(rng, 0, 3))


def _shifting_adder(rng: Generator) -> Mapping[str, object]:
    """A sum of which some operands have powers of two of their channels, some of these signed.

    Its tree and its flow are as wide as others here, so that no other kind is fitted to more samples for it.
    """
    products, y = (int(rng.choice(widths)) for widths in ((5, 6, 7, 9, 10, 12, 14), (8, 10, 12, 16, 20)))
    steps, shifted, each = _between(rng, 1, 3), _between(rng, 1, 2), _between(rng, 0, 3) // 3
    others = [(1, 4, 5)[_between(rng, 0, 2)] for _ in range(_between(rng, shifted + each < 2, 3 - shifted - each))]
    x = max(2, products - _between(rng, 1 << steps - 1, (1 << steps) - 1))
    own, signed = (1 << shifted) - 1, _between(rng, 0, (1 << shifted) - 1) * _between(rng, 0, 1)
    made = dict(_sums(rng, x, [0] * (shifted + each) + others, (1 << shifted + each) - 1))
    count, bits = shifted + each + len(others), max(4, steps + 3)
    packed = sum(number << (shifted + each + place) * bits for place, number in enumerate(others))
    made |= {"FW": bits, "Factors": f"{count * bits}'d{packed}", "DistanceW": steps, "ProdW": products, "YW": y}
    return made | {"Powers": f"{count}'d{signed}", "Shifts": f"{count}'d{own - signed}"}


def _interleave(rng: Generator) -> Mapping[str, object]:
    count = _between(rng, 2, 4)
    parts = ", ".join(f"32'd{_between(rng, 1, 20)}" for _ in range(count))
    return {"Operands": count, "Width": _between(rng, 2, 32), "Parts": f"{{{parts}}}"}


def _extension(rng: Generator) -> Mapping[str, object]:
    return {"Operands": 1, "Width": _between(rng, 2, 40), "Parts": "32'd1"}


def _argmax(rng: Generator) -> Mapping[str, object]:
    lanes, fold = _between(rng, 1, 6), _between(rng, 2, 12)
    bits = max(1, (lanes * fold - 1).bit_length())
    return {"Fold": fold, "Lanes": lanes, "XW": _between(rng, 4, 16), "XCode": _between(rng, 0, 1), "YW": bits}


def _sum(rng: Generator) -> Mapping[str, object]:
    bits, fold = _between(rng, 2, 8), _between(rng, 2, 64)
    own = {"Fold": fold, "Lanes": _between(rng, 1, 4), "XW": bits, "XCode": _between(rng, 0, 1)}
    return own | {"YW": bits + 1 + fold.bit_length()}


def _block_fifo(rng: Generator) -> Mapping[str, object]:
    return {"Width": _between(rng, 4, 64), "Depth": _between(rng, 65, 3000)}


def _shift_fifo(rng: Generator) -> Mapping[str, object]:
    return {"Width": _between(rng, 1, 40), "Depth": _between(rng, 3, 16)}


def _fifo(rng: Generator) -> Mapping[str, object]:
    return {"Width": _between(rng, 1, 40), "Depth": _between(rng, 9, 64)}


def _sparse(rng: Generator) -> Mapping[str, object]:
    own = {"ColFold": _between(rng, 2, 60), "Words": _between(rng, 8, 400), "Ports": _between(rng, 1, 4)}
    return own | {"BeatW": _between(rng, 2, 24), "ResultW": _between(rng, 10, 60), "Latency": _between(rng, 4, 8)}


def _select(rng: Generator) -> Mapping[str, object]:
    of = int(rng.choice([2, 4, 8, 16]))
    own = {"RowFold": _between(rng, 1, 8), "ColFold": _between(rng, 2, 40), "PE": _between(rng, 1, 3)}
    own |= {"Sets": _between(rng, 1, 2), "Of": of, "Kept": _between(rng, 1, of // 2)}
    return own | {"XW": _between(rng, 2, 8), "ResultW": 20, "Latency": 5}


def _small_mas(rng: Generator) -> Mapping[str, object]:
    """A requantiser whose product is too narrow for a DSP slice."""
    x, m = _between(rng, 4, 14), _between(rng, 2, 4)
    bits = min(8, x + m)
    own = {"XW": x, "MW": m, "CW": bits, "WinW": _between(rng, 1, 2), "BoundW": _between(rng, 2, 5)}
    return own | {"UW": bits, "Shift": _between(rng, 1, bits - 2), "YW": 2, "YCode": _between(rng, 0, 1)}


def _mas(rng: Generator) -> Mapping[str, object]:
    x, m = _between(rng, 8, 30), _between(rng, 3, 24)
    shift = _between(rng, 2, x + m - 3)
    own = {"XW": x, "MW": m, "CW": _between(rng, m, x + m), "WinW": 1, "BoundW": _between(rng, 2, 9)}
    return own | {"UW": x + m, "Shift": shift, "YW": _between(rng, 1, 8), "YCode": _between(rng, 0, 2)}


def _constants(rng: Generator, x: int, m: int, factor: str, number: int) -> Mapping[str, object]:
    """A requantiser of which some constants are the same in all channels, as most of them are."""
    shift, bound = _between(rng, 0, x + m - 3), _between(rng, 2, 9)
    own = {"XW": x, "MW": m, "CW": _between(rng, m, x + m), "WinW": 1, "BoundW": bound, "Factor": f"bw_pkg::{factor}"}
    own |= {"M": f"{m}'d{number % (1 << m)}", "EachWindow": 0, "Window": f"1'd{_between(rng, 0, 3) // 3}"}
    each, low = _between(rng, 0, 3) // 3, 0 if rng.random() < 0.5 else 1 - (1 << bound - 1)
    high = (1 << bound - 1) - 1
    own |= {"EachBounds": each, "Low": f"{bound}'d{low % (1 << bound)}", "High": f"{bound}'d{high}"}
    return own | {"UW": x + m, "Shift": shift, "YW": _between(rng, 1, 8), "YCode": _between(rng, 0, 1)}


def _offset(rng: Generator, own: Mapping[str, object]) -> Mapping[str, object]:
    """The requantiser `own` with one offset for all channels."""
    bits = int(str(own["CW"]))
    return {**own, "EachOffset": 0, "C": f"{bits}'d{_between(rng, 0, (1 << bits) - 1)}"}


def _shared_mas(rng: Generator) -> Mapping[str, object]:
    """Of each kind of factor one with the same offset in all channels."""
    draws = (_wired_mas, _shifting_mas, _bound_mas, _bound_mas)
    return _offset(rng, draws[_between(rng, 0, 3)](rng))


def _constant_mas(rng: Generator) -> Mapping[str, object]:
    """A requantiser whose factor is 0 in all channels."""
    own = _constants(rng, _between(rng, 4, 20), 2, "Same", 0)
    own = {**own, "CW": _between(rng, 2, 12)}
    return _offset(rng, own) if rng.random() < 0.2 else own


def _wired_mas(rng: Generator) -> Mapping[str, object]:
    """A requantiser whose one factor is a power of two, or sometimes its negative."""
    m = _between(rng, 2, 8)
    number = 1 << _between(rng, 0, m - 2)
    return _constants(rng, _between(rng, 4, 30), m, "Same", -number if rng.random() < 0.2 else number)


def _shifting_mas(rng: Generator) -> Mapping[str, object]:
    return _constants(rng, _between(rng, 4, 30), _between(rng, 2, 12), "Shifts", 0)


def _powers_mas(rng: Generator) -> Mapping[str, object]:
    return _constants(rng, _between(rng, 4, 30), _between(rng, 2, 12), "Powers", 0)


def _bound_mas(rng: Generator) -> Mapping[str, object]:
    """A requantiser with a factor for each channel, or one that is no power of two."""
    m = _between(rng, 3, 24)
    same = rng.random() < 0.4
    return _constants(rng, _between(rng, 8, 30), m, "Same" if same else "Each", 3 * _between(rng, 1, (1 << m - 1) // 3))


def _small_bound_mas(rng: Generator) -> Mapping[str, object]:
    """The same with a product that is too narrow for a DSP slice."""
    m = _between(rng, 3, 4)
    same = rng.random() < 0.4
    return _constants(rng, _between(rng, 2, 8 - m), m, "Same" if same else "Each", 3 * (m - 2))


def _thresholds(rng: Generator) -> Mapping[str, object]:
    x = _between(rng, 4, 20)
    return {"XW": x, "TW": _between(rng, max(2, x - 2), x + 1), "Bits": _between(rng, 1, 5), "YW": _between(rng, 2, 8)}


def _product(rng: Generator) -> Mapping[str, object]:
    x, w = _between(rng, 1, 8), _between(rng, 2, 8)
    own = {"Style": "bw_pkg::Lut", "PE": 1, "SIMD": _between(rng, 1, 2)}
    own |= {"XW": x, "XCode": 2 if x == 1 else _between(rng, 0, 1)}
    return own | {"WW": w, "WCode": 1, "AccW": x + w + 4}


def _packed(rng: Generator) -> Mapping[str, object]:
    """Products of one multiplier, as `plan.arithmetic.packing` lays them out for signed factors."""
    lanes, x, w = _between(rng, 1, 4), _between(rng, 2, 6), _between(rng, 2, 6)
    stride = x + w
    return {"Lanes": lanes, "WW": w, "XW": x, "Stride": stride, "PackW": (lanes - 1) * stride + w}


def _narrow(rng: Generator) -> Mapping[str, object]:
    """One product that is too narrow for a DSP slice."""
    w = _between(rng, 3, 5)
    return {"Lanes": 1, "WW": w, "XW": 8 - w, "Stride": 8, "PackW": w}


def _window(rng: Generator) -> Mapping[str, object]:
    size, kernel = (_between(rng, 5, 40), _between(rng, 5, 40)), int(rng.choice([1, 2, 3, 5]))
    stride, dilation, pad = _between(rng, 1, 2), 1 if kernel == 1 else _between(rng, 1, 2), 0
    reach = (kernel - 1) * dilation
    pad = reach // 2 if rng.random() < 0.6 and min(size) > reach else 0
    outs = [(length + 2 * pad - reach - 1) // stride + 1 for length in size]
    if min(outs) < 1:
        return _window(rng)
    blocks, inner = (_between(rng, 1, 4), 1) if rng.random() < 0.4 else (1, _between(rng, 1, 12))
    own: dict[str, object] = {"Lanes": _between(rng, 1, 4), "XW": _between(rng, 1, 8)}
    own |= {"Height": size[0], "Width": size[1], "OutHeight": outs[0], "OutWidth": outs[1], "Blocks": blocks}
    own |= {"Inner": inner, "KernelH": kernel, "KernelW": kernel, "StrideH": stride, "StrideW": stride}
    own |= {"DilationH": dilation, "DilationW": dilation, "Top": pad, "Left": pad}
    return own | {"Depth": (reach + stride) * size[1] * blocks * inner + (reach + 1) * blocks * inner}


def _rom(rng: Generator) -> Mapping[str, object]:
    words, width = int(rng.choice([5, 6, 7, 8, 40, 100, 140, 200])), _between(rng, 4, 12)
    digits = "".join(rng.choice(list("0123456789abcdef"), -(-words * width // 4)))
    return {"Words": words, "Width": width, "Init": f"{words * width}'h{digits}"}


def _mask(rng: Generator) -> Mapping[str, object]:
    """A window of all positions at once, padded to the size of the image."""
    height, width = _between(rng, 5, 40), _between(rng, 5, 40)
    kernel, blocks = int(rng.choice([3, 5])), _between(rng, 1, 4)
    own: dict[str, object] = {"Lanes": _between(rng, 1, 2), "XW": _between(rng, 1, 8)}
    own |= {"Height": height, "Width": width, "OutHeight": height, "OutWidth": width, "Blocks": blocks}
    own |= {"KernelH": kernel, "KernelW": kernel, "Top": kernel // 2, "Left": kernel // 2}
    return own


def _ram(rng: Generator) -> Mapping[str, object]:
    return {"Width": _between(rng, 1, 80), "Depth": int(rng.integers(8, 64) ** 2)}


DRAWS: tuple[tuple[str, Callable[[Generator], Mapping[str, object]]], ...] = (
    ("bw_mac", _xnor),
    ("bw_multiplier", _multiplier),
    ("bw_multiplier", _small_multiplier),
    ("bw_adder", _small_adder),
    ("bw_interleave", _interleave),
    ("bw_interleave", _extension),
    ("bw_argmax_reduce", _argmax),
    ("bw_sum_reduce", _sum),
    ("bw_fifo_block", _block_fifo),
    ("bw_fifo_shift", _shift_fifo),
    ("bw_fifo", _fifo),
    ("bw_sparse_flow", _sparse),
    ("bw_select_flow", _select),
    ("bw_mas_lane", _small_mas),
    ("bw_mas_lane", _mas),
    ("bw_thresholds_lane", _thresholds),
    ("bw_mac", _product),
    ("bw_packed_product", _packed),
    ("bw_window", _window),
    ("bw_rom_inline", _rom),
    ("bw_rom_inline", _rom),
    ("bw_window_mask", _mask),
    ("bw_ram", _ram),
    ("bw_ram", _ram),
    ("bw_packed_product", _narrow),
    ("bw_mas_lane", _wired_mas),
    ("bw_mas_lane", _shifting_mas),
    ("bw_mas_lane", _powers_mas),
    ("bw_mas_lane", _bound_mas),
    ("bw_mas_lane", _bound_mas),
    ("bw_mas_lane", _small_bound_mas),
    ("bw_adder", _wired_adder),
    ("bw_adder", _narrow_adder),
    ("bw_adder", _wide_adder),
    ("bw_mas_lane", _shared_mas),
    ("bw_mas_lane", _shared_mas),
    ("bw_mas_lane", _constant_mas),
    ("bw_adder", _shifting_adder),
    ("bw_adder", _shifting_adder),
    ("bw_adder", _shifting_adder),
)
"""Module -> its parameters, drawn."""
