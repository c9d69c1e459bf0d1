# SPDX-License-Identifier: Apache-2.0
"""MODEL and the options that say how it is read: every command that reads one takes them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from bitwright import api, data, inspecting
from bitwright.cli.options import parse_pairs
from bitwright.compress.fixed import Reading
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.reading.open_sizes import Shape
from bitwright.reading.read import Asked
from bitwright.rewriting import PASSES, rewritten

Taken = ParamSpec("Taken")
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=TYPE",
        help="Type a real-valued input: s16.8 (16 bits, 8 fractional), u8, u8/255, s4n, bipolar. Repeatable.",
    ),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=1x3x96x96",
        help="The sizes of an input that the file leaves open, or of one named dimension: N=96. Repeatable.",
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--outputs",
        metavar="NAME,NAME",
        help="End the network at these tensors or nodes; what lies behind them is left off, and listed.",
    ),
]
Quantisers = Annotated[
    list[str] | None,
    typer.Option(
        "--quantise",
        "--quantize",
        metavar="EDGE=TYPE",
        help="Put one more quantiser on an edge, a tensor or node by name: s16.8, u8/255. Repeatable.",
    ),
]
Passes = Annotated[
    list[str] | None,
    typer.Option(
        "--pass",
        metavar="NAME=N,N",
        help=f"Rewrite the graph to one of the same integers: {', '.join(PASSES)}, with its numbers. Repeatable.",
    ),
]


@dataclass(frozen=True, slots=True)
class Source:
    """A model's path, and what was asked of it."""

    path: Path
    inputs: dict[str, str]
    shapes: dict[str, Shape]
    outputs: tuple[str, ...]
    quantise: dict[str, str]
    passes: tuple[str, ...]

    @staticmethod
    def given(
        model: Path,
        inputs: list[str] | None,
        shapes: list[str] | None,
        outputs: list[str] | None,
        quantise: list[str] | None,
        passes: list[str] | None,
    ) -> Source:
        """What the options say."""
        types, sizes = parse_pairs("--input", inputs), parse_pairs("--shape", shapes)
        edges = parse_pairs("--quantise", quantise)
        return Source(model, types, dict(sizes), tuple(outputs or ()), edges, tuple(passes or ()))

    def __str__(self) -> str:
        return str(self.path)

    def net(self, rounding: str = "onnx") -> Graph:
        """The graph of the model."""
        net = api.load(
            self.path, self.inputs, rounding, shapes=self.shapes, outputs=self.outputs, quantise=self.quantise
        )
        return rewritten(net, self.passes)

    def inspected(self) -> tuple[dict[str, Any], BitwrightError | None]:
        """What `inspect` finds; and the error where that is what stands in the way."""
        try:
            return api.inspect(self.net()), None
        except BitwrightError as error:
            if not error.where.startswith(self.path.name):
                raise
            asked: dict[str, Any] = {"shapes": self.shapes, "outputs": self.outputs, "quantise": self.quantise}
            return inspecting.obstacles(self.path, error, self.inputs, **asked), error


def asked_of(shapes: list[str] | None, outputs: list[str] | None) -> Asked:
    """What the two options ask of a model that is read without types."""
    return {"shapes": dict(parse_pairs("--shape", shapes)), "outputs": tuple(outputs or ())}


def reading_of(
    inputs: list[str] | None, shapes: list[str] | None, outputs: list[str] | None, quantise: list[str] | None
) -> Reading:
    """What the options ask of a model that may be read without types, or with them."""
    types, edges = parse_pairs("--input", inputs), parse_pairs("--quantise", quantise)
    sizes = dict(parse_pairs("--shape", shapes))
    return Reading(inputs=types, shapes=dict(sizes), outputs=tuple(outputs or ()), quantise=edges)


def read_data(path: Path, net: Graph, samples: int | None) -> data.Data:
    """The arrays of a data file for a network."""
    return data.read_data(path, data.graph_tensors(net), samples=samples)


def _asked(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="An ONNX file of any supported dialect, a TFLite file, or a saved graph."),
    ],
    inputs: Inputs = None,
    shapes: Shapes = None,
    outputs: Outputs = None,
    quantise: Quantisers = None,
    passes: Passes = None,
) -> Source:
    return Source.given(model, inputs, shapes, outputs, quantise, passes)


def reads_model(command: Callable[Concatenate[Source, Taken], None]) -> Callable[..., None]:
    """`command` with MODEL and the options that go with it in place of its first parameter, which they become."""
    ours = inspect.signature(_asked, eval_str=True).parameters
    _, *theirs = inspect.signature(command, eval_str=True).parameters.values()
    model, *more = ours.values()

    call: Callable[..., None] = command

    def wrapped(**given: Any) -> None:
        asked = {name: given.pop(name) for name in ours}
        call(_asked(**asked), **given)

    parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in (model, *theirs[:-1], *more, *theirs[-1:])]
    taken = {parameter.name: parameter.annotation for parameter in parameters}
    vars(wrapped).update(__signature__=inspect.Signature(parameters), __doc__=command.__doc__)
    wrapped.__annotations__, wrapped.__name__ = taken, command.__name__
    return wrapped
