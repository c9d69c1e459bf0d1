# SPDX-License-Identifier: Apache-2.0
"""The pieces of a generated top: nets, instances, blocks, and the names they get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bitwright.ir.names import identifier
from bitwright.plan.kernels import Stream
from bitwright.plan.timing import fifo_kind

FIFOS = {"register": "bw_elastic_reg", "distributed": "bw_fifo", "block": "bw_fifo_block"}


@dataclass(frozen=True)
class Instance:
    """One instance; parameters and groups of ports as they are printed."""

    module: str
    name: str
    parameters: tuple[str, ...]
    ports: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Block:
    """What the top declares together: a comment, nets, instances; `hexes` are the files its ROMs read."""

    comment: tuple[str, ...]
    nets: tuple[str, ...]
    instances: tuple[Instance, ...]
    hexes: Mapping[str, str] = field(default_factory=dict)


class Names:
    """Identifiers for nets and instances of one module, all different."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        """An identifier like `wanted` that was not given before."""
        name = identifier(wanted, self._taken)
        self._taken.add(name)
        return name


@dataclass(frozen=True)
class Ends:
    """The net names of a stream where it is made and where it is read; they differ if there is a FIFO between."""

    made: str
    read: str


@dataclass(frozen=True)
class Place:
    """Where a kernel goes: the nets it reads and makes, and the names that are left."""

    source: str
    sink: str
    names: Names


def stream_ends(stream: Stream, names: Names) -> Ends:
    """The net names of `stream`."""
    made = names.new(stream.name)
    return Ends(made, names.new(f"{stream.name}_q") if fifo_kind(stream) != "wire" else made)


def nets(stem: str, bits: int) -> tuple[str, ...]:
    """The declarations of one stream."""
    return f"logic {stem}_valid, {stem}_ready;", f"{vector(bits)} {stem}_data;"


def slave(stem: str) -> tuple[str, ...]:
    """The connections of an instance that reads the stream."""
    return f".s_valid({stem}_valid)", f".s_ready({stem}_ready)", f".s_data({stem}_data)"


def master(stem: str) -> tuple[str, ...]:
    """The connections of an instance that makes the stream."""
    return f".m_valid({stem}_valid)", f".m_ready({stem}_ready)", f".m_data({stem}_data)"


CLOCK = (".clk(aclk)", ".rst")


def fifo_block(stream: Stream, ends: Ends, names: Names) -> Block:
    """The FIFO of an edge; a block without instances if the edge is a wire."""
    kind = fifo_kind(stream)
    if kind == "wire":
        return Block((), (), ())
    depth = () if kind == "register" else (f".Depth({stream.depth})",)
    instance = Instance(
        FIFOS[kind],
        names.new(f"{stream.name}_fifo"),
        (f".Width({stream.bits})", *depth),
        ((*CLOCK, *slave(ends.made)), master(ends.read)),
    )
    return Block((), nets(ends.read, stream.bits), (instance,))


def instance(module: str, name: str, parameters: tuple[str, ...], source: str, sink: str) -> Instance:
    """An instance of a module with one stream in and one out."""
    return Instance(module, name, parameters, ((*CLOCK, *slave(source)), master(sink)))


def assigned(**values: object) -> tuple[str, ...]:
    """Parameters as they are printed."""
    return tuple(f".{name}({value})" for name, value in values.items())


def vector(bits: int) -> str:
    """The type of a net of `bits` bits."""
    return f"logic [{bits - 1}:0]"
