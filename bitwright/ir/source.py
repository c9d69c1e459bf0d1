# SPDX-License-Identifier: Apache-2.0
"""Where a graph came from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Removed:
    """A layer of the source that keeps `after` of its `before` output channels: the others carry nothing."""

    layer: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Origin:
    """How to read the model again: its path or its bytes, and what was asked of it.

    By name the types that its inputs were given, the sizes that it left open, and the types of quantisers that were
    put on edges; the tensors at which it was cut.
    """

    model: str | bytes
    types: tuple[tuple[str, str], ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    outputs: tuple[str, ...] = ()
    quantised: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a graph came from: the file's name and the sha256 of its bytes; what it has and the graph has not.

    `origin` goes wherever the graph goes in this process or to another, but is no part of its value: it is not saved,
    and equal graphs may come from different places.
    """

    file: str = ""
    sha256: str = ""
    rounding: str = "onnx"
    removed: tuple[Removed, ...] = ()
    origin: Origin | None = field(default=None, compare=False, repr=False)
