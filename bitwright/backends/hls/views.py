# SPDX-License-Identifier: Apache-2.0
"""What the HLS templates read: one view for each construct, every text in it final."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alias:
    """`using name = type;` with a comment that starts with two spaces, or none."""

    name: str
    type: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The namespace of one kernel or port in the parameter header."""

    name: str
    title: str
    constants: list[str]
    types: list[Alias]
    shape: str
    aliases: list[Alias]
    channel: list[str]  # the members of a requantiser's Channel, else empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A class with a constant array in a header of its own: weights, requantiser channels or table entries."""

    banner: str
    title: list[str]
    project: str
    kernel: str
    name: str
    word: str
    count: str
    lines: list[str]
    pragmas: list[str]  # behind `variable=table`: how it is stored
    packed: str = ""  # what it holds where that is no Word, but a part of its bits
    header: str = ""  # that of the library which says what a Word is made of, where no kernel's does


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelView:
    """One kernel: its layer, its block, its table where it has one, its call, its header, its row in the overview."""

    layer: str
    block: Block
    table: Table | None
    call: str
    header: str
    row: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The declaration of a stream, in UltraRAM if `ultra`."""

    name: str
    word: str
    depth: int
    ultra: bool
    comment: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A stream at the boundary: outside an AXI4-Stream, inside words."""

    name: str
    axis: str
    comment: list[str]
    stream: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """The test vectors of one port."""

    name: str
    comment: str
    size: int
    lines: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The whole project."""

    banner: str
    name: str
    part: str | None
    clock_ns: str
    rules: str  # the template of what the Makefile does with the vendor's tool
    stages: int  # of a pipeline, as the depths of the streams allow for
    frames_per_call: int  # in the vendor's tool
    headers: list[str]
    blocks: list[Block]
    tables: list[str]  # paths of the table headers
    table: list[str]
    summary: str
    inputs: list[Port]
    outputs: list[Port]
    inner: list[Stream]
    kernels: list[KernelView]
    top_calls: list[str]
    network: str  # the signature of the function on internal words
    top: str  # and of the one on AXI4-Streams
    frames: int
    vectors: list[Vector]

    @property
    def ports(self) -> list[Port]:
        """Inputs, then outputs: the order of the arguments."""
        return self.inputs + self.outputs
