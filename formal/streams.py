# SPDX-License-Identifier: Apache-2.0
"""Each flow-control module as a function of streams: what leaves for what has entered, for the simulations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

Words = list[int]
Meaning = Callable[[list[Words]], list[Words]]
"""The words of each output for the words of each input, as far as they determine them."""


@dataclass(frozen=True, slots=True)
class Port:
    """One stream: bit `index` of its handshake, field `index` of its data; several data signals count upwards."""

    valid: str
    ready: str
    data: tuple[str, ...]
    index: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """A module at one size, its ports and its meaning; `roms`: what it reads by `<letter>_en` and `<letter>_addr`."""

    module: str
    size: dict[str, int]
    meaning: Meaning
    inputs: tuple[Port, ...] = (Port("s_valid", "s_ready", ("s_data",)),)
    outputs: tuple[Port, ...] = (Port("m_valid", "m_ready", ("m_data",)),)
    roms: Mapping[str, Sequence[int]] = field(default_factory=dict)
    frame: int = 1  # the simulation ends with whole frames of so many words
    style: str = ""  # which of several that the module has

    @property
    def name(self) -> str:
        """Its module, and the style."""
        return f"{self.module}_{self.style}" if self.style else self.module


def signed(value: int, bits: int) -> int:
    """The number that the low `bits` bits of `value` stand for in two's complement."""
    return (value & (1 << bits) - 1) - ((value & 1 << bits - 1) << 1)


def _same(streams: list[Words]) -> list[Words]:
    return streams


def _copies(streams: list[Words], count: int) -> list[Words]:
    return streams * count


def _up(streams: list[Words], ratio: int, width: int) -> list[Words]:
    """The first word in the least significant bits."""
    return [[sum(word << i * width for i, word in enumerate(words)) for words in _folds(streams[0], ratio)]]


def _down(streams: list[Words], ratio: int, width: int) -> list[Words]:
    return [[word >> i * width & (1 << width) - 1 for word in streams[0] for i in range(ratio)]]


def _turns(streams: list[Words]) -> list[Words]:
    """A word of each, in turn, until one is missing."""
    words: Words = []
    while len(streams[len(words) % len(streams)]) > len(words) // len(streams):
        words.append(streams[len(words) % len(streams)][len(words) // len(streams)])
    return [words]


def _sums(streams: list[Words], factors: Sequence[Sequence[int]], bits: int, out: int) -> list[Words]:
    """The factors of operand k in beat b are `factors[b % len(factors)][k]`."""
    beats = enumerate(zip(*streams, strict=False))
    sums = (sum(f * signed(x, bits) for f, x in zip(factors[b % len(factors)], beat, strict=True)) for b, beat in beats)
    return [[total & (1 << out) - 1 for total in sums]]


def _products(streams: list[Words], bits: int) -> list[Words]:
    return [[signed(a, bits) * signed(b, bits) & (1 << 2 * bits) - 1 for a, b in zip(*streams, strict=False)]]


def _table(streams: list[Words], table: Sequence[int]) -> list[Words]:
    return [[table[word] for word in streams[0]]]


def _reduced(streams: list[Words], fold: int, by: Callable[[Words], int]) -> list[Words]:
    return [[by(words) for words in _folds(streams[0], fold)]]


def _places(streams: list[Words], fold: int, bits: int) -> list[Words]:
    """The place of the largest element of two to a word, the first of equals."""
    elements = (_down([words], 2, bits)[0] for words in _folds(streams[0], fold))
    return [[found.index(max(found)) for found in elements]]


def _reordered(streams: list[Words], order: Sequence[int], beats: int) -> list[Words]:
    return [[frame[index] for frame in _folds(streams[0], beats) for index in order]]


def _matrix(streams: list[Words], rows: Sequence[Sequence[int]], out: int) -> list[Words]:
    vectors = _folds(streams[0], len(rows[0]))
    return [[sum(w * x for w, x in zip(row, v, strict=True)) & (1 << out) - 1 for v in vectors for row in rows]]


def _signs(streams: list[Words], rows: Sequence[Sequence[int]], out: int, lanes: int) -> list[Words]:
    """A beat has `lanes` elements of one bit: 0 is -1, 1 is +1."""
    return _matrix([[2 * bit - 1 for bit in _down(streams, lanes, 1)[0]]], rows, out)


def _pairs(streams: list[Words], rows: Sequence[Sequence[int]], out: int) -> list[Words]:
    """Two rows at a time."""
    return _up(_matrix(streams, rows, out), 2, out)


def _select(streams: list[Words], rows: Sequence[Sequence[int]], out: int, lanes: int, bits: int) -> list[Words]:
    """A beat has `lanes` elements of so many bits."""
    elements = [word >> bits * lane & (1 << bits) - 1 for word in streams[0] for lane in range(lanes)]
    return _matrix([elements], rows, out)


def _windows(streams: list[Words], height: int, width: int, kernel: int) -> list[Words]:
    """The windows of each image with the same padding, of zeros; up to the first pixel that has not entered."""
    words: Words = []
    reach = range(-(kernel // 2), kernel - kernel // 2)
    places = [(y, x) for y in range(height) for x in range(width)]
    for start in range(0, len(streams[0]), height * width):
        image = streams[0][start : start + height * width]
        for y, x in ((row + dy, col + dx) for row, col in places for dy in reach for dx in reach):
            inside = (y, x) in places
            if inside and y * width + x >= len(image):
                return [words]
            words.append(image[y * width + x] if inside else 0)
    return [words]


def _fields(streams: list[Words], height: int, width: int, kernel: int) -> list[Words]:
    """The same windows, each in one word, the first element in the least significant bits."""
    words, taps = _windows(streams, height, width, kernel)[0], kernel * kernel
    return _up([words], taps, 8)


def _bytes_to_elements(streams: list[Words], bits: int) -> list[Words]:
    """TLAST, above the byte, and the padding are dropped."""
    return [[word & (1 << bits) - 1 for word in streams[0]]]


def _elements_to_bytes(streams: list[Words], bits: int, beats: int) -> list[Words]:
    """The sign extended to a byte, TLAST above it."""
    return [[signed(x, bits) & 255 | (i % beats == beats - 1) << 8 for i, x in enumerate(streams[0])]]


def _folds(words: Words, fold: int) -> list[Words]:
    """The words in groups of `fold`, without the last if it is not whole."""
    return [words[i : i + fold] for i in range(0, len(words) - fold + 1, fold)]


def _operands(count: int) -> tuple[Port, ...]:
    return tuple(Port("s_valid", "s_ready", ("s_data",), k) for k in range(count))


DSP = {"Style": 2, "Stride": 7, "PackW": 3, "Bias": 60}
"""Products of -60 to 45, one to a multiplier."""
SELECT = Stream(
    "bw_select",  # a bw_select_flow and its arithmetic: two of four
    {"RowFold": 2, "ColFold": 2, "PE": 1, "Sets": 1, "Of": 4, "Kept": 2, "XW": 2, "WW": 3, "AccW": 10},
    partial(_select, rows=((1, 0, -2, 0, 0, 3, 0, -1), (0, 0, 2, -4, -3, 1, 0, 0)), out=10, lanes=4, bits=2),
    roms={"k": (0b10_00, 0b11_01, 0b11_10, 0b01_00), "w": (0b110_001, 0b111_011, 0b100_010, 0b001_101)},
)
SPARSE = Stream(
    "bw_sparse",  # a bw_sparse_flow and its arithmetic: two words, then three
    {"ColFold": 3, "Words": 5, "Ports": 2, "SIMD": 1, "XW": 4, "WW": 3, "AccW": 10},
    partial(_pairs, rows=((1, 0, 0), (0, -2, 3), (-1, 2, 1), (0, 0, -4)), out=10),
    roms={
        "k": (0b1_01_00, 0b0_10_00, 0b0_10_00, 0b1_00_01, 0b0_00_10),
        "w": (0b110_001, 0b011_000, 0b100_111, 0b000_010, 0b000_001),
    },
)
STREAMS = (
    Stream("bw_elastic_reg", {"Width": 8}, _same),
    Stream("bw_fifo", {"Width": 8, "Depth": 5}, _same),
    Stream("bw_fifo_shift", {"Width": 8, "Depth": 5}, _same),
    Stream("bw_fifo_block", {"Width": 8, "Depth": 5}, _same),
    Stream("bw_width_up", {"Width": 4, "Ratio": 3}, partial(_up, ratio=3, width=4)),
    Stream("bw_width_down", {"Width": 4, "Ratio": 3}, partial(_down, ratio=3, width=4)),
    Stream(
        "bw_fork",
        {"Width": 8, "Copies": 3},
        partial(_copies, count=3),
        outputs=tuple(Port("m_valid", "m_ready", ("m_data",), i) for i in range(3)),
    ),
    Stream("bw_interleave", {"Operands": 3, "Width": 8}, _turns, inputs=_operands(3)),
    Stream(
        "bw_adder",
        {"Operands": 2, "Lanes": 1, "Folds": 2, "XW": 5, "FW": 3, "ProdW": 8, "YW": 9},
        partial(_sums, factors=((1, -2), (3, -4)), bits=5, out=9),
        inputs=_operands(2),
        roms={"k": (0b110_001, 0b100_011)},
    ),
    Stream(
        "bw_adder",
        {"Operands": 2, "Lanes": 1, "XW": 5, "FW": 3, "ProdW": 7, "YW": 7, "Factors": 0b110_010, "EachFactor": 0},
        partial(_sums, factors=((2, -2), (2, -2)), bits=5, out=7),
        inputs=_operands(2),
        style="wired",
    ),
    Stream(
        "bw_adder",
        {
            "Operands": 3,
            "Lanes": 1,
            "XW": 5,
            "FW": 4,
            "ProdW": 9,
            "YW": 10,
            "Powers": 0b011,
            "Shifts": 0b100,
            "DistanceW": 2,
        },
        partial(_sums, factors=((1, -2, 8), (0, -4, 2)), bits=5, out=10),
        inputs=_operands(3),
        roms={"k": (0b0011_1001_0000, 0b0001_1010_0100)},
        style="shifts",
    ),
    Stream("bw_multiplier", {"Lanes": 1, "XW": 5, "YW": 10}, partial(_products, bits=5), inputs=_operands(2)),
    Stream(
        "bw_lookup",  # a bw_credit_pipe and nothing else
        {"Lanes": 1, "XW": 3, "YW": 4},
        partial(_table, table=(3, 14, 1, 5, 9, 2, 6, 13)),
        roms={"k": (3, 14, 1, 5, 9, 2, 6, 13)},
    ),
    Stream("bw_max_reduce", {"Fold": 3, "Lanes": 1, "XW": 4}, partial(_reduced, fold=3, by=max)),
    Stream("bw_sum_reduce", {"Fold": 3, "Lanes": 1, "XW": 4, "YW": 6}, partial(_reduced, fold=3, by=sum)),
    Stream("bw_argmax_reduce", {"Fold": 3, "Lanes": 2, "XW": 2, "YW": 3}, partial(_places, fold=3, bits=2)),
    Stream(
        "bw_reorder",
        {"Lanes": 1, "XW": 8, "InBeats": 4, "OutBeats": 5},
        partial(_reordered, order=(3, 0, 2, 1, 3), beats=4),
        roms={"k": (3, 0, 2, 1, 3)},
    ),
    Stream(
        "bw_mvu",  # a bw_mvu_flow and its arithmetic
        {"RowFold": 2, "ColFold": 3, "PE": 1, "SIMD": 1, "XW": 4, "WW": 3, "AccW": 10},
        partial(_matrix, rows=((1, -2, 3), (-4, 0, 2)), out=10),
        roms={"w": (1, 6, 3, 4, 0, 2)},
    ),
    Stream(
        "bw_mvu",
        {"Style": 1, "RowFold": 2, "ColFold": 3, "PE": 1, "SIMD": 1, "XW": 4, "WW": 2, "AccW": 7},
        partial(_matrix, rows=((1, -1, 0), (0, 1, -1)), out=7),
        roms={"w": (1, 3, 0, 0, 1, 3)},
        style="ternary",
    ),
    Stream(
        "bw_mvu",  # two rows share a multiplier
        {"Style": 2, "RowFold": 2, "ColFold": 3, "PE": 2, "SIMD": 1, "XW": 4, "WW": 3, "AccW": 10}
        | {"Lanes": 2, "Stride": 7, "PackW": 11, "Bias": 60},
        partial(_pairs, rows=((1, -2, 3), (-4, 0, 2), (3, 1, -1), (0, -3, -4)), out=10),
        roms={"w": (0b100_001, 0b000_110, 0b010_011, 0b000_011, 0b101_001, 0b100_111)},
        style="dsp",
    ),
    Stream(
        "bw_mvu",
        {"Style": 3, "RowFold": 2, "ColFold": 2, "PE": 1, "SIMD": 4}
        | {"XW": 1, "XCode": 2, "WW": 1, "WCode": 2, "AccW": 5},
        partial(_signs, rows=((1, -1, 1, 1, -1, -1, -1, 1), (-1, 1, 1, -1, 1, 1, 1, 1)), out=5, lanes=4),
        roms={"w": (0b1101, 0b1000, 0b0110, 0b1111)},
        style="xnor",
    ),
    SELECT,
    replace(SELECT, size=SELECT.size | DSP, style="dsp"),
    SPARSE,
    replace(SPARSE, size=SPARSE.size | DSP, style="dsp"),
    Stream(
        "bw_window",
        {"Lanes": 1, "XW": 8, "Height": 3, "Width": 4, "OutHeight": 3, "OutWidth": 4, "Inner": 1, "Depth": 13},
        partial(_windows, height=3, width=4, kernel=3),
    ),
    Stream(
        "bw_window_line",
        {"Lanes": 1, "XW": 8, "Height": 3, "Width": 4, "OutHeight": 3, "OutWidth": 4, "First": 5, "Period": 12},
        partial(_fields, height=3, width=4, kernel=3),
        frame=12,  # the last windows of a frame wait for beats of the next one as soon as its first has entered
    ),
    Stream(
        "bw_axis_sink",
        {"Lanes": 1, "ElemW": 6, "Beats": 5},
        partial(_bytes_to_elements, bits=6),
        inputs=(Port("s_axis_tvalid", "s_axis_tready", ("s_axis_tdata", "s_axis_tlast")),),
    ),
    Stream(
        "bw_axis_source",
        {"Lanes": 1, "ElemW": 6, "Beats": 5},
        partial(_elements_to_bytes, bits=6, beats=5),
        outputs=(Port("m_axis_tvalid", "m_axis_tready", ("m_axis_tdata", "m_axis_tlast")),),
    ),
)
