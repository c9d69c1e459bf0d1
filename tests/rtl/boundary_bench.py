# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of the AXI4-Streams of a top, against the sources and sinks of cocotbext-axi; run by test_boundary.

The working folder holds `bench/` of the generated project. Frames go in and come out as AXI frames: cocotbext-axi sets
and reads tlast by itself. The bits of tdata that pad an element to bytes are random on the way in.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

BENCH = Path.cwd() / "bench"
BOUNDARY = json.loads((BENCH / "boundary.json").read_text())
INTERVAL = BOUNDARY["interval"]
PERIOD = 10  # ns
FRAMES = 5
CLOCKS = 2000 + 100 * FRAMES * INTERVAL  # far more than any test takes
QUIET = 200 + 4 * INTERVAL  # clocks after which a design without input has nothing left to say

Port = dict[str, Any]


def frames(port: Port) -> list[bytes]:
    """The tdata of every frame of a port, lowest byte first."""
    words = (BENCH / "vectors" / f"{port['prefix']}.hex").read_text().split()
    size = len(words[0]) // 2  # bytes of a beat
    data = b"".join(int(word, 16).to_bytes(size, "little") for word in words)
    length = size * port["beats"]
    return [data[start : start + length] for start in range(0, len(data), length)]


def padded_at_random(port: Port, frame: bytes) -> bytes:
    """The same elements with other bits where tdata pads them."""
    size, beats = -(-port["bits"] // 8), bytearray()
    for start in range(0, len(frame), size):
        value = int.from_bytes(frame[start : start + size], "little") & ((1 << port["bits"]) - 1)
        value |= random.getrandbits(8 * size) >> port["bits"] << port["bits"]
        beats += value.to_bytes(size, "little")
    return bytes(beats)


class Bench:
    """A top with a source at every input and a sink at every output."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        Clock(dut.aclk, PERIOD, "ns").start()
        dut.aresetn.value = 0
        self.inputs = {port["prefix"]: self._end(AxiStreamSource, port) for port in BOUNDARY["inputs"]}
        self.outputs = {port["prefix"]: self._end(AxiStreamSink, port) for port in BOUNDARY["outputs"]}

    def _end(self, kind: Any, port: Port) -> Any:
        bus = AxiStreamBus.from_prefix(self.dut, port["prefix"])
        return kind(bus, self.dut.aclk, self.dut.aresetn, reset_active_level=False)

    async def reset(self) -> None:
        """Reset for one clock; what the sources still hold and the sinks have seen is forgotten."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 1)
        for end in (*self.inputs.values(), *self.outputs.values()):
            end.clear()
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 1)

    def pause(self, sources: float, sinks: float) -> None:
        """Let every source and every sink pause with these probabilities, each by its own coin."""
        for ends, rate in ((self.inputs, sources), (self.outputs, sinks)):
            for end in ends.values():
                end.set_pause_generator(coin(rate) if rate else None)
                end.pause = False

    def send(self, index: int) -> None:
        """Queue frame `index` at every input."""
        for port in BOUNDARY["inputs"]:
            self.inputs[port["prefix"]].send_nowait(padded_at_random(port, frames(port)[index]))

    async def expect(self, count: int) -> list[float]:
        """Frames 0 .. count - 1 at every output, bit for bit; returns the clock at which each ended at the last."""
        ends = [0.0] * count
        for port in BOUNDARY["outputs"]:
            for index, want in enumerate(frames(port)[:count]):
                got = await self.outputs[port["prefix"]].recv()
                assert bytes(got.tdata) == want, f"{port['prefix']} frame {index}: {bytes(got.tdata).hex()}"
                ends[index] = max(ends[index], got.sim_time_end / 1000 / PERIOD)
        return ends

    async def silence(self) -> None:
        """Nothing leaves, not even a beat, while nothing enters."""
        for _ in range(QUIET):
            await ClockCycles(self.dut.aclk, 1)
            for prefix in self.outputs:
                assert getattr(self.dut, f"{prefix}_tvalid").value == 0, f"{prefix}: a beat that nobody asked for"


def coin(rate: float) -> Iterator[bool]:
    return (random.random() < rate for _ in repeat(None))


def test(function: Any) -> Any:
    return cocotb.test(timeout_time=CLOCKS * PERIOD, timeout_unit="ns")(function)


@test
@cocotb.parametrize(sources=[0.0, 0.5], sinks=[0.0, 0.7])
async def back_to_back(dut: Any, sources: float, sinks: float) -> None:
    """All frames in one run, random pauses on both ends; without pauses at the interval of the plan."""
    bench = Bench(dut)
    await bench.reset()
    bench.pause(sources, sinks)
    for index in range(FRAMES):
        bench.send(index)
    ends = await bench.expect(FRAMES)
    assert dut.frame_error.value == 0
    if not sources and not sinks:
        assert ends[-1] - ends[-2] == INTERVAL


@test
@cocotb.parametrize(sinks=[0.0, 0.7])
async def gaps(dut: Any, sinks: float) -> None:
    """The source rests between frames, for less than a frame and for more."""
    bench = Bench(dut)
    await bench.reset()
    bench.pause(0.2, sinks)
    for index in range(FRAMES):
        bench.send(index)
        await ClockCycles(dut.aclk, random.randrange(1, 3 * INTERVAL))
    await bench.expect(FRAMES)
    assert dut.frame_error.value == 0


@test
@cocotb.parametrize(part=[0.1, 0.5, 0.9, 1.4, 9.0])
async def reset_in_a_frame(dut: Any, part: float) -> None:
    """A reset after `part` of an interval, with and without words stuck at a sink that waits: no trace of them.

    After nine intervals with such a sink every register of the design is full.
    """
    bench = Bench(dut)
    for stuck in (False, True):
        await bench.reset()
        bench.pause(0.3, 0.3)
        if stuck:
            for sink in bench.outputs.values():
                sink.set_pause_generator(None)
                sink.pause = True
        for index in reversed(range(FRAMES)):
            bench.send(index)
        await ClockCycles(dut.aclk, round(part * INTERVAL) + random.randrange(9))
        await bench.reset()
        bench.pause(0.0, 0.0)
        await bench.silence()
        bench.send(0)
        bench.send(1)
        await bench.expect(2)
        assert dut.frame_error.value == 0


@test
@cocotb.parametrize(cut=["early", "missing"])
async def wrong_tlast(dut: Any, cut: str) -> None:
    """Frames are counted: a tlast at another beat is reported until reset, and every frame is right all the same."""
    bench = Bench(dut)
    await bench.reset()
    assert dut.frame_error.value == 0
    for port in BOUNDARY["inputs"]:
        first, second = frames(port)[:2]
        beat = len(first) // port["beats"]
        whole = cut == "missing" or port["beats"] == 1
        for part in [first + second] if whole else [first[:beat], first[beat:], second]:
            bench.inputs[port["prefix"]].send_nowait(part)
    await bench.expect(2)
    assert dut.frame_error.value == 1
    bench.send(0)
    await bench.expect(1)
    assert dut.frame_error.value == 1, "frame_error went away by itself"
    await bench.reset()
    assert dut.frame_error.value == 0


@test
async def silent_before_the_first_beat(dut: Any) -> None:
    bench = Bench(dut)
    start = get_sim_time("ns")
    await bench.reset()
    bench.pause(0.0, 0.0)
    await bench.silence()
    assert get_sim_time("ns") - start >= QUIET * PERIOD
