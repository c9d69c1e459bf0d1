# SPDX-License-Identifier: Apache-2.0
"""The resource model against what Yosys counted on layers and networks it was not fitted to; no Yosys runs here."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.fit.__main__ import fit
from benchmarks.fit.judge import SMALL, errors, networks, pairs
from benchmarks.fit.library import STYLES, called, kept, own
from benchmarks.fit.samples import Samples, read
from benchmarks.fit.yosys import LIBRARY
from bitwright.hardware.area.resources import fifo_resources, model, resources, weighed
from bitwright.hardware.kernels.base import Memory, Stream
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.modules.memories import Columns, block_rams, columns, ram_memory, random_columns
from bitwright.hardware.modules.streams import ram
from bitwright.hardware.modules.units import product_slices
from bitwright.ir.types import IntType, integer
from bitwright.ir.weights import Shape, Weights

MEDIAN, NINETIETH = 0.10, 0.20
"""The errors that issue and docs promise."""


@pytest.fixture(scope="module")
def samples() -> Samples:
    return read()


def unit(pe: int = 2, simd: int = 2, *, memory: Memory = "lut", weights: Weights | None = None) -> MatrixVector:
    """A matrix-vector unit of 16 x 32 four-bit weights."""
    words = np.random.default_rng(1).integers(-7, 8, (16 * 32 // (pe * simd), pe, simd))
    return MatrixVector(
        name="fc",
        layer="fc",
        input="x",
        output="y",
        vectors=1,
        groups=1,
        rows=16,
        cols=32,
        pe=pe,
        simd=simd,
        weights=weights or Weights(words),
        weight_type=integer(4, signed=True),
        x_type=integer(4, signed=False),
        acc_type=integer(14, signed=True),
        memory=memory,
        style="lut",
    )


@pytest.mark.parametrize("which", ["lut", "ff"])
def test_layers_that_were_held_back(samples: Samples, which: str) -> None:
    found = errors(pairs(samples, model("xcup")).values(), which)
    assert len(found) > 100
    assert np.median(found) <= MEDIAN
    assert np.quantile(found, 0.9) <= NINETIETH


@pytest.mark.parametrize("which", ["lut", "ff"])
def test_whole_networks(samples: Samples, which: str) -> None:
    whole = networks(samples, model("xcup"))
    assert len(whole) == 5
    assert max(errors(whole.values(), which)) <= MEDIAN


def test_slices_and_block_rams_are_exact(samples: Samples) -> None:
    for layer, (mine, theirs) in pairs(samples, model("xcup")).items():
        assert (mine["dsp"], mine["bram"]) == (theirs["dsp"], theirs["bram"]), layer
    for module in samples.modules:
        part = own(module.name, module.parameters)
        assert (part.count * part.dsp, part.bram) == module.counted[2:] if part else not any(module.counted), module


@pytest.mark.parametrize("style", STYLES)
def test_a_style_is_measured_by_the_name_and_the_parameters_of_its_samples(samples: Samples, style: str) -> None:
    """So the samples from before one module had all styles go on to count: a unit is measured once, and not again."""
    numbers = re.findall(r"localparam int (\w+) += (\d)", LIBRARY.joinpath("bw_pkg.sv").read_text(encoding="utf-8"))
    text = LIBRARY.joinpath("bw_mac.sv").read_text(encoding="utf-8")
    names = re.findall(r"^  parameter .*?(\w+) += ", text, flags=re.MULTILINE)
    parameters = {**dict.fromkeys(names, 1), "Style": int(dict(numbers)[style.capitalize()])}
    name = called("bw_mac", parameters)
    assert name == f"bw_mac_{style}"
    keys = {frozenset(module.parameters) for module in samples.modules if module.name == name}
    assert keys == {frozenset(kept(name, parameters))}


def test_modules_on_series_7(samples: Samples) -> None:
    """Modules with memories and slices, of which there are others on series 7, in layers that were held back."""
    training, found = {id(module) for module in samples.training()}, []
    for module in samples.modules:
        part = own(module.name, module.parameters, "xc7")
        if part and module.series7 and id(module) not in training:
            used = weighed([part], "xc7", model("xc7"))
            lut, ff, dsp, bram = module.series7
            assert (used.dsp, used.bram) == (dsp, bram), module
            found.append(({"lut": used.lut, "ff": used.ff}, {"lut": lut, "ff": ff}))
    assert len(found) > 40
    for which in ("lut", "ff"):
        assert np.median(errors(found, which)) <= MEDIAN
        assert np.quantile(errors(found, which), 0.9) <= NINETIETH


def test_an_error_of_a_small_layer_counts_from_a_floor() -> None:
    cells = {"lut": 3}, {"lut": 1}
    assert errors([cells], "lut") == [2 / SMALL]


def test_the_coefficients_are_those_of_the_samples(samples: Samples) -> None:
    """Compared by what they say of each sample: terms that grow together share their weight by chance."""
    fitted, stored = fit(samples), model("xcup")
    assert fitted.keys() == stored.keys()
    for module in samples.training():
        part = own(module.name, module.parameters)
        for which, terms in fitted[part.kind].items() if part else ():
            sizes = {"": 1.0} | dict(part.terms)
            made, kept = (sum(c.get(k, 0.0) * n for k, n in sizes.items()) for c in (terms, stored[part.kind][which]))
            assert kept == pytest.approx(made, rel=0.01, abs=0.1), (module, which)


def test_nothing_gets_smaller_when_a_size_grows() -> None:
    for kind in (*model("xcup").values(), *model("xc7").values()):
        assert min([1.0, *(value for terms in kind.values() for value in terms.values())]) > 0
    wider = [resources(unit(pe, 4)) for pe in (1, 2, 4, 8, 16)]
    deeper = [resources(unit(4, simd)) for simd in (1, 2, 4, 8, 16, 32)]
    for row in (wider, deeper):
        assert all(a.lut < b.lut and a.ff < b.ff for a, b in pairwise(row))


def test_what_the_words_hold_counts() -> None:
    zeros = unit(weights=Weights(np.zeros((128, 2, 2), dtype=np.int64)))
    one = np.tile(np.random.default_rng(0).integers(-7, 8, (128, 1, 1)), (1, 2, 2))
    alike, random = unit(weights=Weights(one)), unit()
    nothing, some, all_of_it = (resources(kernel, contents=True) for kernel in (zeros, alike, random))
    assert nothing.lut < some.lut < all_of_it.lut
    assert some.ff - nothing.ff == 4  # the bits of one weight
    assert all_of_it.ff - nothing.ff == 16


def test_random_words_stand_for_those_that_are_not_there_yet() -> None:
    shape = Shape(np.broadcast_to(np.int64(0), (128, 2, 2)))
    assert resources(unit(weights=shape), contents=True) == resources(unit()) == resources(unit(weights=shape))
    known = resources(unit(), contents=True)
    assert resources(unit()).lut == pytest.approx(known.lut, rel=0.05)


def test_columns_that_are_constant_or_equal() -> None:
    bits = np.array([[0, 1, 1, 0, 1], [0, 1, 0, 1, 0], [0, 1, 1, 0, 1]], dtype=np.uint8)
    assert columns(bits) == Columns(varying=3, distinct=2, reading=(0, 0, 0, 0, 0))


def test_columns_that_do_not_read_the_whole_address() -> None:
    """A frame turned round, 8 channels at a time: columns are a bit of the address, or read two or five of its bits."""
    order = np.arange(21 * 8).reshape(3, 7, 8).transpose(1, 0, 2).reshape(-1)
    bits = (order[:, None] >> np.arange(8) & 1).astype(np.uint8)
    assert columns(bits) == Columns(varying=8, distinct=8, reading=(1, 0, 0, 3, 0))


def test_few_random_words_have_few_columns() -> None:
    assert random_columns(1, 100) == Columns(0, 0, (0, 0, 0, 0, 0))
    assert random_columns(2, 1000).distinct == pytest.approx(2)
    assert random_columns(4, 1000).distinct == pytest.approx(14)
    assert random_columns(200, 24) == Columns(24, 24, (0, 0, 0, 0, 0), wide=24, pieces=96)
    assert random_columns(64, 24) == Columns(24, 24, (0, 0, 0, 0, 24))
    rng = np.random.default_rng(7)
    drawn = [columns(rng.integers(0, 2, (5, 30), dtype=np.uint8)).distinct for _ in range(200)]
    assert random_columns(5, 30).distinct == pytest.approx(np.mean(drawn), rel=0.02)


@pytest.mark.parametrize(
    ("words", "width", "blocks"),
    [(512, 36, 1), (512, 37, 2), (1024, 18, 1), (1025, 18, 2), (16384, 1, 1), (512, 72, 2)],
)
def test_block_rams(words: int, width: int, blocks: int) -> None:
    assert block_rams(words, width).blocks == blocks
    assert resources(unit(memory="block")).bram == 1
    stream = Stream(name="s", lanes=width, type=IntType(0, 1), beats=1, depth=words, shape=(1,))
    if words > 1000 and width > 4:
        assert fifo_resources(stream).bram == blocks


def test_the_banks_of_a_rom_lie_side_by_side() -> None:
    """As Yosys was seen to place them: 3 banks of 512 words of 20 bits in 72 bits, 3 of 1024 of 5 in 18."""
    assert (block_rams(1536, 20, rom=True).blocks, block_rams(1536, 20).blocks) == (2, 3)
    assert (block_rams(2560, 5, rom=True).blocks, block_rams(2560, 5).blocks) == (1, 2)


def test_a_ram_is_where_it_is_cheaper() -> None:
    """On series 7 distributed memory is dearer: a replayed vector of 70 words of 56 bits is in block RAM there."""
    assert ram_memory(32, 14, "xcup") == "distributed"
    assert ram_memory(216, 15, "xcup") == "block"
    assert ram_memory(200, 6, "xcup") == "distributed"
    assert (ram_memory(70, 56, "xcup"), ram_memory(70, 56, "xc7")) == ("distributed", "block")
    found = {part.family: (part.kind, part.bram) for part in ram(width=56, depth=70)}
    assert found == {"xcup": ("ram", 0), "xc7": ("ram_block", 2)}


@pytest.mark.parametrize(
    ("a", "b", "kept", "slices"),
    [(4, 4, 8, 0), (6, 3, 9, 1), (4, 5, 8, 0), (27, 18, 45, 1), (27, 20, 46, 2), (1, 20, 21, 0)],
)
def test_slices_of_a_product(a: int, b: int, kept: int, slices: int) -> None:
    assert product_slices(a, b, kept) == product_slices(b, a, kept) == slices


def test_slices_of_a_wide_product_depend_on_the_family() -> None:
    assert (product_slices(26, 18, 44, "xcup"), product_slices(26, 18, 44, "xc7")) == (1, 2)
    assert (product_slices(27, 20, 46, "xcup"), product_slices(27, 20, 46, "xc7")) == (2, 4)
