# SPDX-License-Identifier: Apache-2.0
"""A quantised network as `compile` reads it, of any dialect: its integers stay what they are, whatever is searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx

from bitwright.frontend.inputs import InputType, edge_types
from bitwright.frontend.lowering import load_onnx
from bitwright.ir import files
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.reading.model import ModelInput
from bitwright.reading.open_sizes import Shape
from bitwright.reading.read import Asked, beginning, read_model
from bitwright.reading.tflite.model import is_tflite

NAMES = ("model.onnx", "model.tflite", "model.bw")
"""What the file of one is called: as ONNX, as TFLite, and as the graph that was read."""
Model = str | Path | bytes | onnx.ModelProto


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a person asks of a file, as of `bitwright.load`: types of inputs, open sizes, where it ends, quantisers."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    outputs: Sequence[str] = ()
    quantise: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> Asked:
        """What of it is asked of a float network too."""
        return {"shapes": self.shapes, "outputs": self.outputs}

    def __bool__(self) -> bool:
        return bool(self.inputs or self.shapes or self.outputs or self.quantise)


@dataclass(frozen=True)
class Fixed:
    """The graph of a network, and the file that is read as it, whose name is one of `NAMES`."""

    graph: Graph
    content: bytes = field(repr=False)

    @property
    def file(self) -> str:
        """What errors call it."""
        return self.graph.source.file or "model"

    @property
    def name(self) -> str:
        """What its file is called."""
        if files.is_saved(self.content):
            return NAMES[2]
        return NAMES[1] if is_tflite(self.content) else NAMES[0]

    @cached_property
    def digest(self) -> str:
        """The sha256 of the file."""
        return sha256(self.content).hexdigest()

    @cached_property
    def inputs(self) -> tuple[ModelInput, ...]:
        """What the network takes."""
        entry = self.graph.entry
        pairs = zip(entry.inputs, entry.specs, strict=True)
        return tuple(ModelInput(name, (1, *spec.shape), np.dtype(spec.dtype)) for name, spec in pairs)

    def called(self, name: str) -> Fixed:
        """The same by the name that it came with."""
        return replace(self, graph=replace(self.graph, source=replace(self.graph.source, file=name)))


def fixed(model: Model | Graph, reading: Reading | None = None) -> Fixed:
    """The network in a file of any dialect, or in a graph; BitwrightError if `compile` would not take it.

    The file is the one that was given where it says all by itself; else the graph that was read, saved.
    """
    reading = reading or Reading()
    if isinstance(model, Graph):
        return Fixed(model, files.to_bytes(model))
    if files.is_saved(beginning(model)):
        assert not isinstance(model, onnx.ModelProto)
        if isinstance(model, bytes):
            return fixed(files.from_bytes(model))
        sizes = {"shapes": reading.shapes, "outputs": reading.outputs, "quantisers": reading.quantise}
        return fixed(files.saved(Path(model), types=reading.inputs, **sizes)).called(Path(model).name)
    types = {name: InputType.parse(text, where=f"--input {name}") for name, text in reading.inputs.items()}
    asked: Asked = {**reading.asked, "quantise": edge_types(reading.quantise)}
    graph = load_onnx(model, inputs=types, **asked)
    return Fixed(graph, _content(model, graph, reading))


def _content(model: Model, graph: Graph, reading: Reading) -> bytes:
    """The file itself, where nothing else is needed to read it."""
    if isinstance(model, onnx.ModelProto):
        found = model.SerializeToString()
    else:
        found = model if isinstance(model, bytes) else Path(model).read_bytes()
    return found if not reading and _is_whole(found) else files.to_bytes(graph)


def _is_whole(content: bytes) -> bool:
    """Whether a file has all of its weights inside."""
    try:
        read_model(content)
    except BitwrightError:
        return False
    return True
