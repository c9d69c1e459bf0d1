# SPDX-License-Identifier: Apache-2.0
"""The rtl engine: what it counts, and how a model that errs is reported."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest

from bitwright.backends.verilog.project import generate
from bitwright.hardware.clocks.interval import latency
from bitwright.ir.errors import BitwrightError
from bitwright.sim.rtl import Port, build
from tests.needs import needs_rtl
from tests.rtl.graphs import dense_chain, fifo, project, side_by_side

CHAIN = dense_chain(np.random.default_rng(1))
MADE = project(CHAIN, np.random.default_rng(2), 7, "chain")
INPUTS = [codes.array for codes in MADE.inputs]


@needs_rtl
def test_frames_and_clocks() -> None:
    """One frame has a latency and no interval; of two, four more are run; the counts are the plan's."""
    model = build(generate(MADE))
    for frames in (7, 2, 1):
        found = model.run([codes[:frames] for codes in INPUTS])
        np.testing.assert_array_equal(found.outputs[0], MADE.outputs[0].array[:frames])
        assert found.latency_cycles == latency(CHAIN)
        assert found.cycles_per_frame == (CHAIN.interval if frames > 1 else None)
    none = model.run([codes[:0] for codes in INPUTS])
    assert (none.outputs[0].shape, none.latency_cycles, none.cycles_per_frame) == ((0, 2), None, None)
    stalled = model.run(INPUTS, seed=1)
    assert (stalled.cycles_per_frame, stalled.latency_cycles) == (None, None)


@pytest.mark.parametrize(("code", "bits"), [("unsigned", 1), ("unsigned", 8), ("unsigned", 9), ("signed", 1)])
@pytest.mark.parametrize("extra", [0, 8, 40])
def test_codes_survive_their_bytes(code: str, bits: int, extra: int) -> None:
    bits += extra
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if code == "signed" else (0, (1 << bits) - 1)
    port = Port("s_axis", 2, bits, code, 3, (2, 3))
    codes = np.array([[low, high, 0, high, low, 0], [high // 2, low, high, 0, 0, high]]).reshape(2, 2, 3)
    packed = port.pack(codes)
    assert len(packed) == 2 * 3 * port.beat_bytes == 12 * -(-bits // 8)
    np.testing.assert_array_equal(port.unpack(packed), codes)


def test_bipolar_codes_are_bits() -> None:
    port = Port("s_axis", 2, 1, "bipolar", 1, (2,))
    assert port.pack(np.array([[-1, 1], [1, 1]])) == bytes([0, 1, 1, 1])
    np.testing.assert_array_equal(port.unpack(bytes([0, 1, 1, 0])), [[-1, 1], [1, -1]])


def mutated(path: str, old: str, new: str) -> Mapping[str, str]:
    """The FIFO design with one line of a module changed."""
    files = generate(project(side_by_side([fifo("one", 3)]), np.random.default_rng(3), 4, "fifos"))
    assert files[path].count(old) == 1
    return files | {path: files[path].replace(old, new)}


@needs_rtl
@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (
            "modules/bw_fifo_shift.sv",
            "assign m_valid = level != '0;",
            "assign m_valid = 1'b0;",
            "no transfer in 100 clocks; beats so far: s_axis 5/42 m_axis 0/42",
        ),
        (
            "modules/bw_axis_source.sv",
            "assign last = beat == CountW'(Beats - 1);",
            "assign last = beat == CountW'(Beats - 2);",
            "m_axis: tlast is wrong at beat 5",
        ),
        (
            "modules/bw_axis_sink.sv",
            "s_axis_tlast != last",
            "s_axis_tlast == last",
            "the model reports tlast at a wrong beat",
        ),
    ],
)
def test_a_model_that_errs_is_reported(path: str, old: str, new: str, message: str) -> None:
    codes = project(side_by_side([fifo("one", 3)]), np.random.default_rng(3), 5, "fifos").inputs
    with pytest.raises(BitwrightError) as error:
        build(mutated(path, old, new)).run([values.array for values in codes], patience=100)
    assert error.value.where == "bw_sim"
    assert error.value.what == f"running the Verilog engine failed with exit code 1:\n    {message}"
    assert re.match(r"\S+/bw_sim ", error.value.log)
