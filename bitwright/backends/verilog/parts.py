# SPDX-License-Identifier: Apache-2.0
"""The pieces of a generated top: nets, instances, blocks, and the names they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bitwright.backends.verilog.words import hex_words, literals
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.fifos import fifo_kind, fifo_words
from bitwright.hardware.roms import Rom
from bitwright.ir.names import identifier

INLINE_BITS = 4096
"""A ROM of more bits is read from a .hex file, a smaller one stands in the text."""

FIFOS = {
    "register": ("bw_elastic_reg", "elastic register"),
    "shift": ("bw_fifo_shift", "FIFO in a shift register"),
    "distributed": ("bw_fifo", "FIFO in distributed memory"),
    "block": ("bw_fifo_block", "FIFO in block RAM"),
    "ultra": ("bw_fifo_ultra", "FIFO in UltraRAM"),
}
"""Kind of a FIFO -> its module, and what it is called in comments."""


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
    """Where a kernel goes: the nets it reads and makes, in its order, and the names that are left."""

    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    names: Names

    @property
    def source(self) -> str:
        """The first stream it reads."""
        return self.sources[0]

    @property
    def sink(self) -> str:
        """The first stream it makes."""
        return self.sinks[0]


def stream_ends(stream: Stream, names: Names) -> Ends:
    """The net names of `stream`."""
    made = names.new(stream.name)
    return Ends(made, names.new(f"{stream.name}_q") if fifo_kind(stream) != "wire" else made)


def nets(stem: str, bits: int) -> tuple[str, ...]:
    """The declarations of one stream."""
    return f"logic {stem}_valid, {stem}_ready;", f"{vector(bits)} {stem}_data;"


def slave(*stems: str) -> tuple[str, ...]:
    """The connections of an instance that reads the streams, the first in the low bits."""
    return _stream("s", stems)


def master(*stems: str) -> tuple[str, ...]:
    """The connections of an instance that makes the streams, the first in the low bits."""
    return _stream("m", stems)


def _stream(side: str, stems: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f".{side}_{signal}({joined([f'{stem}_{signal}' for stem in stems])})" for signal in ("valid", "ready", "data")
    )


def joined(parts: Sequence[str]) -> str:
    """`parts` as one vector, the first in the low bits."""
    return parts[0] if len(parts) == 1 else "{" + ", ".join(reversed(parts)) + "}"


CLOCK = (".clk(aclk)", ".rst")


def fifo_block(stream: Stream, ends: Ends, names: Names) -> Block:
    """The FIFO of an edge; a block without instances if the edge is a wire."""
    kind = fifo_kind(stream)
    if kind == "wire":
        return Block((), (), ())
    depth = () if kind == "register" else (f".Depth({stream.depth})",)
    module, called = FIFOS[kind]
    instance = Instance(
        module,
        names.new(f"{stream.name}_fifo"),
        (f".Width({stream.bits})", *depth),
        ((*CLOCK, *slave(ends.made)), master(ends.read)),
    )
    comment = f"{stream.name} waits: {fifo_words(stream)} words, {called}"
    return Block((comment,), nets(ends.read, stream.bits), (instance,))


def instance(module: str, name: str, parameters: tuple[str, ...], source: str, sink: str) -> Instance:
    """An instance of a module with one stream in and one out."""
    return Instance(module, name, parameters, ((*CLOCK, *slave(source)), master(sink)))


def assigned(**values: object) -> tuple[str, ...]:
    """Parameters as they are printed."""
    return tuple(f".{name}({value})" for name, value in values.items())


def vector(bits: int) -> str:
    """The type of a net of `bits` bits."""
    return f"logic [{bits - 1}:0]"


def with_rom(
    reader: Instance, prefix: str, rom: Rom, comment: tuple[str, ...], names: Names, called: str = ""
) -> Block:
    """`reader` beside the ROM that it reads by its ports `prefix`_en, _addr and _word; `called`: if it has several."""
    content_of = f"{reader.name}_{called}" if called else reader.name
    stem = names.new(f"{content_of}_rom")
    inline = rom.words * rom.width <= INLINE_BITS
    ports = () if rom.ports == 1 else (f".Ports({rom.ports})",)
    size = (f".Words({rom.words})", f".Width({rom.width})", *ports, f'.Style("{rom.style}")')
    content = inline_words(rom) if inline else [f'.File({{WeightDir, "/{content_of}.hex"}})']
    memory = Instance(
        "bw_rom_inline" if inline else "bw_rom_hex",
        stem,
        (*size, *content),
        ((".clk(aclk)", f".en({stem}_en)", f".addr({stem}_addr)", f".word({stem}_word)"),),
    )
    clocked, *others = reader.ports
    wired = tuple(f".{prefix}_{port}({stem}_{port})" for port in ("en", "addr", "word"))
    address = rom.ports * max(1, (rom.words - 1).bit_length())
    declared = (
        f"logic {stem}_en;",
        f"{vector(address)} {stem}_addr;",
        f"{vector(rom.ports * rom.width)} {stem}_word;",
    )
    hexes = {} if inline else {f"weights/{content_of}.hex": "\n".join(hex_words(rom.bits)) + "\n"}
    return Block(comment, declared, (memory, replace(reader, ports=(clocked, wired, *others))), hexes)


def without_rom(reader: Instance, prefix: str, comment: tuple[str, ...], names: Names) -> Block:
    """`reader` with nothing at its ports for a ROM: what it would read are parameters."""
    asked = names.new(f"{reader.name}_unused")
    clocked, *others = reader.ports
    wired = (f".{prefix}_en({asked}_en)", f".{prefix}_addr({asked}_addr)", f".{prefix}_word('0)")
    declared = (f"logic {asked}_en, {asked}_addr;",)
    return Block(comment, declared, (replace(reader, ports=(clocked, wired, *others)),))


def inline_words(rom: Rom) -> list[str]:
    """The parameter that gives a ROM its words, in pieces between which a line may break."""
    first, *rest = literals(rom)
    pieces = [f".Init({{{first}", *rest]
    return [*pieces[:-1], pieces[-1] + "})"]
