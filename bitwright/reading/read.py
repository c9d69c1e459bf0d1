# SPDX-License-Identifier: Apache-2.0
"""The model as everything reads it: open sizes filled in, branches chosen, cut where a person asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import onnx

from bitwright.reading.branches import resolved
from bitwright.reading.cut import cut
from bitwright.reading.edges import EdgeType, with_quantisers
from bitwright.reading.einsum import without_einsum
from bitwright.reading.model import Model, read_onnx
from bitwright.reading.open_sizes import Shape
from bitwright.reading.tflite.model import is_tflite, read_tflite


class Asked(TypedDict, total=False):
    """What a person asks of a model: the sizes that the file leaves open, where it ends, and more quantisers.

    `shapes` has sizes by the name of an input or of a dimension, `outputs` the names of tensors or nodes, `quantise`
    the codes of quantisers by such a name.
    """

    shapes: Mapping[str, Shape]
    outputs: Sequence[str]
    quantise: Mapping[str, EdgeType]


def read_model(source: str | Path | bytes | onnx.ModelProto, instead: str = "", **asked: Unpack[Asked]) -> Model:
    """The model in a file, in bytes or in a protobuf; BitwrightError if it is none, or reaches out of its folder.

    `instead` says what else the caller takes, for whoever gave something that is none.
    """
    shapes = asked.get("shapes", {})
    data = beginning(source)
    model = _read(source, instead, shapes) if not is_tflite(data) else read_tflite(*_whole(source), shapes)
    return cut(with_quantisers(model, asked.get("quantise", {})), asked.get("outputs", ()))


def _read(source: str | Path | bytes | onnx.ModelProto, instead: str, shapes: Mapping[str, Shape]) -> Model:
    return without_einsum(resolved(read_onnx(source, instead, shapes)))


def beginning(source: str | Path | bytes | onnx.ModelProto) -> bytes:
    """The first bytes of a file; none where there is no file, which is said elsewhere."""
    if isinstance(source, onnx.ModelProto | bytes):
        return source[:8] if isinstance(source, bytes) else b""
    try:
        with Path(source).open("rb") as stream:
            return stream.read(8)
    except OSError:
        return b""


def _whole(source: str | Path | bytes | onnx.ModelProto) -> tuple[bytes, str]:
    """All bytes of a file, and what errors call it."""
    assert not isinstance(source, onnx.ModelProto)
    return (source, "model") if isinstance(source, bytes) else (Path(source).read_bytes(), Path(source).name)
