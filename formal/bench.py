# SPDX-License-Identifier: Apache-2.0
"""The cocotb bench of a flow-control module: random pauses, resets in mid-stream, its meaning as scoreboard.

`simulate.py` runs it; plusargs say which stream and where the trace of the outputs goes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.handle import LogicArrayObject
from cocotb.triggers import ReadOnly, RisingEdge

from formal.streams import STREAMS, Port, Stream, Words

PHASES = ((1.0, 1.0), (0.5, 0.5), (1.0, 0.3), (0.3, 1.0))
"""How often a source offers and a sink is ready; a reset ends each phase in mid-stream, but the last."""
CLOCKS = 400
"""For each phase; the last then drains."""
SEED = 7


class Ports:
    """The ports of one stream's module, driven and sampled once in each clock."""

    def __init__(self, dut: Any, stream: Stream) -> None:
        self.dut, self.stream = dut, stream
        self.trace: list[tuple[int, int, int]] = []  # clock, output, word
        self.clock = 0
        self.start()

    def start(self) -> None:
        """After a reset: nothing is offered, nothing has entered or left."""
        self.offered: list[int | None] = [None for _ in self.stream.inputs]
        self.held: list[int | None] = [None for _ in self.stream.outputs]
        self.entered: list[Words] = [[] for _ in self.stream.inputs]
        self.left: list[Words] = [[] for _ in self.stream.outputs]

    def _signal(self, name: str) -> LogicArrayObject:
        found: LogicArrayObject = getattr(self.dut, name)
        return found

    def width(self, port: Port, ports: tuple[Port, ...]) -> int:
        """The bits of a word of `port`, one of `ports`."""
        return sum(len(self._signal(name)) for name in port.data) // len(ports)

    def drive(self, offer: float, ready: float) -> None:
        """New values on every input; a word that was not taken stays."""
        inputs, values = self.stream.inputs, dict[str, int]()
        for k, port in enumerate(inputs):
            width = self.width(port, inputs)
            if self.offered[k] is None and random.random() < offer:
                self.offered[k] = random.getrandbits(width)
            values[port.valid] = values.get(port.valid, 0) | (self.offered[k] is not None) << port.index
            word = (self.offered[k] or 0) << port.index * width
            for name in port.data:
                values[name] = values.get(name, 0) | word & (1 << len(self._signal(name))) - 1
                word >>= len(self._signal(name))
        for port in self.stream.outputs:
            values[port.ready] = values.get(port.ready, 0) | (random.random() < ready) << port.index
        for name, value in values.items():
            self._signal(name).value = value

    def within_a_frame(self) -> bool:
        """Words are missing to whole frames."""
        begun = zip(self.entered, self.offered, strict=True)
        return any((len(words) + (word is not None)) % self.stream.frame for words, word in begun)

    def bit(self, name: str, index: int) -> bool:
        """Bit `index` of a signal."""
        return bool(int(self._signal(name).value) >> index & 1)

    def sample(self) -> None:
        """Records what moves with the coming clock edge; a word that is held must not change."""
        for k, port in enumerate(self.stream.inputs):
            word = self.offered[k]
            if word is not None and self.bit(port.ready, port.index):
                self.entered[k].append(word)
                self.offered[k] = None
        for i, port in enumerate(self.stream.outputs):
            width = self.width(port, self.stream.outputs)
            found = None
            if self.bit(port.valid, port.index):
                text = "".join(str(self._signal(name).value) for name in reversed(port.data))
                found = int(text[len(text) - (port.index + 1) * width : len(text) - port.index * width], 2)
            held = self.held[i]
            assert held in (None, found), f"clock {self.clock}: output {i} held {held or 0:#x}, then {found}"
            moves = found is not None and self.bit(port.ready, port.index)
            if found is not None and moves:
                self.left[i].append(found)
                self.trace.append((self.clock, i, found))
            self.held[i] = None if moves else found
        self.clock += 1

    def check(self, *, drained: bool) -> None:
        """What has left is what the meaning says, as far as it has left; all of it once drained.

        A word that is offered counts: bw_width_down gives its parts before it takes it.
        """
        offers = zip(self.entered, self.offered, strict=True)
        known = [[*words, *([] if word is None else [word])] for words, word in offers]
        for i, (got, want) in enumerate(zip(self.left, self.stream.meaning(known), strict=True)):
            assert len(got) <= len(want), f"output {i}: word {len(want)} has not entered yet"
            for index, (found, meant) in enumerate(zip(got, want, strict=False)):
                assert found == meant, f"output {i}, word {index}: got {found:#x}, want {meant:#x}"
            assert not drained or len(got) == len(want), f"output {i}: {len(want) - len(got)} words are stuck"
            assert len(got) >= 20, f"output {i}: only {len(got)} words"


async def read_only_memory(dut: Any, letter: str, words: Sequence[int]) -> None:
    """Word <letter>_addr of the ROM, one clock after <letter>_en."""
    enable, address, word = (getattr(dut, f"{letter}_{name}") for name in ("en", "addr", "word"))
    while True:
        await ReadOnly()
        asked = int(address.value) if str(enable.value) == "1" else None
        await RisingEdge(dut.clk)
        if asked is not None:
            word.value = words[asked]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_word_leaves_as_its_meaning_says(dut: Any) -> None:
    """Four rates of sources and sinks; a reset ends each but the last, which drains."""
    stream = next(stream for stream in STREAMS if stream.name == cocotb.plusargs["stream"])
    random.seed(SEED)
    Clock(dut.clk, 10, "ns").start()
    ports = Ports(dut, stream)
    for letter, words in stream.roms.items():
        cocotb.start_soon(read_only_memory(dut, letter, words))
    for phase, (offer, ready) in enumerate(PHASES):
        last = phase == len(PHASES) - 1
        ports.start()
        for clock in range(-2, CLOCKS + 200 * last):
            dut.rst.value = clock < 0
            if clock >= CLOCKS:
                offer, ready = float(ports.within_a_frame()), 1.0
            ports.drive(0.0 if clock < 0 else offer, ready)
            await ReadOnly()
            if clock >= 0:
                ports.sample()
            await RisingEdge(dut.clk)
        ports.check(drained=last)
    Path(str(cocotb.plusargs["trace"])).write_text(json.dumps(ports.trace), encoding="utf-8")
