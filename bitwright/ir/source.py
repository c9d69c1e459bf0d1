# SPDX-License-Identifier: Apache-2.0
"""Where a graph came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Removed:
    """A layer of the source that keeps `after` of its `before` output channels: the others carry nothing."""

    layer: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where a graph came from: the file's name and the sha256 of its bytes; what it has and the graph has not."""

    file: str = ""
    sha256: str = ""
    rounding: str = "onnx"
    removed: tuple[Removed, ...] = ()
