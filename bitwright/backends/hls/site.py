# SPDX-License-Identifier: Apache-2.0
"""What the views of all kernels share: where a kernel stands, and how its parts become one view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bitwright.backends.hls import text
from bitwright.backends.hls.views import Alias, Block, KernelView, Table
from bitwright.hardware.kernels import base
from bitwright.hardware.kernels.interface import Interface
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints


@dataclass(frozen=True, slots=True)
class Site:
    """Where a kernel stands: the project's name, line 1 of every file, and the graph's streams."""

    project: str
    banner: str
    streams: Mapping[str, base.Stream]

    def member(self, kernel: base.Kernel, name: str) -> str:
        """A name in the kernel's namespace, as the top spells it."""
        return f"{self.project}::{kernel.name}::{name}"

    def table(
        self,
        kernel: base.Kernel,
        title: str,
        name: str,
        *,
        word: str,
        count: str,
        lines: list[str],
        pragmas: Sequence[str],
        packed: str = "",
        header: str = "",
    ) -> Table:
        """The class `name` of `count` words in a header of its own; `word` is a name in its Shape, or a C++ type."""
        return Table(
            banner=self.banner,
            title=text.wrap_comment(title),
            project=self.project,
            kernel=kernel.name,
            name=name,
            word=word,
            count=count,
            lines=lines,
            pragmas=list(pragmas),
            packed=packed,
            header=header,
        )

    def view(
        self,
        kernel: base.Kernel,
        told: Interface,
        block: Block,
        arguments: Sequence[str],
        *,
        classes: Sequence[str] = (),
        table: Table | None = None,
    ) -> KernelView:
        """The kernel as the call `bw::function<Shape, classes>(arguments)`; the classes are in its namespace."""
        sources = [self.streams[name] for name in kernel.inputs]
        targets = [self.streams[name] for name in kernel.outputs]
        pe, simd = told.lanes or (targets[0].lanes, sources[0].lanes)
        called = (told.unit.called, _payload(sources), _payload(targets), str(pe), str(simd), str(kernel.iterations))
        return KernelView(
            layer=text.layer_name(kernel.layer),
            block=block,
            table=table,
            call=text.call(
                f"bw::{told.unit.function}", arguments, [self.member(kernel, name) for name in ("Shape", *classes)]
            ),
            header=told.unit.header,
            row=called,
        )


def block(
    kernel: base.Kernel,
    what: str,
    shape: str,
    constants: Sequence[Mapping[str, int]],
    types: Sequence[Alias],
    *,
    aliases: Sequence[Alias] = (),
    channel: Sequence[str] = (),
) -> Block:
    """The namespace of a kernel in the parameter header."""
    return Block(
        name=kernel.name,
        title=f"{text.layer_name(kernel.layer)}: {what}",
        constants=[text.constants(group) for group in constants if group],
        types=list(types),
        shape=f"bw::{shape}",
        aliases=list(aliases),
        channel=list(channel),
    )


def element(name: str, kind: IntType) -> Alias:
    """The alias of an element type, its range beside it."""
    return Alias(name, text.element_type(kind), "  // -1, 1" if kind.is_bipolar else f"  // {kind.lo}..{kind.hi}")


def number(name: str, values: Ints, *, signed: bool = False) -> Alias:
    """The alias of the narrowest type that holds `values` (of the narrowest signed one), their range beside it."""
    kind = text.number_type(narrowest(values, signed=signed))
    return Alias(name, kind, f"  // {int(values.min())}..{int(values.max())}")


def narrowest(values: Ints, *, signed: bool = False) -> IntType:
    """The narrowest type that holds `values` (the narrowest signed one)."""
    lo, hi = int(values.min()), int(values.max())
    return IntType(min(lo, -1) if signed else lo, hi)


def plain(name: str, kind: IntType) -> Alias:
    """The alias of the type that holds the numbers of `kind`, its range beside it."""
    return Alias(name, text.number_type(kind), f"  // {kind.lo}..{kind.hi}")


def _payload(streams: Sequence[base.Stream]) -> str:
    """The tensors on `streams`, their types without a range."""
    return " + ".join(f"{'x'.join(map(str, s.shape))} {str(s.type).partition('[')[0]}" for s in streams)
