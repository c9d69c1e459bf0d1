# SPDX-License-Identifier: Apache-2.0
"""A layer of a kind that nobody knows is refused by every phase: none takes it for something else."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bitwright.backends.onnx.export import WRITERS, to_onnx
from bitwright.backends.onnx.held import held
from bitwright.check import CheckError, check
from bitwright.exact.certificate import certify
from bitwright.exact.ranges import Ranges, layer_range, ranges, type_range
from bitwright.hardware.choice import Entering, Wired
from bitwright.hardware.lanes import choices, layer_cycles, least_cycles
from bitwright.hardware.lowering.lower import lower
from bitwright.hardware.lowering.orders import takes
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import from_bytes, to_bytes
from bitwright.ir.graph import Graph
from bitwright.ir.layers import LAYERS, AnyLayer, Input, Layer
from bitwright.ir.parsing import parse
from bitwright.ir.passes.channels import remove_channels
from bitwright.ir.passes.narrow import narrow, retyped
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.printing import print_graph
from bitwright.ir.types import IntType
from bitwright.ir.verify import verify
from bitwright.planning.candidates import Candidates, candidate_forms
from bitwright.planning.choices import Survey
from bitwright.planning.decide import decide
from bitwright.planning.rule import fold
from bitwright.sim import reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Negate(Layer):
    """y = -x."""


PLAIN = {"shape": (2, 2, 3), "type": IntType(-7, 7), "scale": ONES, "zero": ZEROS}
TOY = Negate(name="toy", inputs=("x",), **PLAIN)  # type: ignore[arg-type]
GRAPH = Graph((Input(name="x", inputs=(), **PLAIN),), (TOY,), ("toy",))  # type: ignore[arg-type]
REACHED: dict[str, Ranges] = dict.fromkeys(("x", "toy"), type_range(TOY))
KEPT = dict.fromkeys(("x", "toy"), np.arange(3))

PHASES: dict[str, Callable[[], object]] = {
    "ranges": lambda: ranges(GRAPH),
    "range": lambda: layer_range(TOY, [REACHED["x"]], [GRAPH.inputs[0]]),
    "channels": lambda: remove_channels(GRAPH, lambda graph: REACHED),
    "narrow": lambda: narrow(GRAPH, KEPT, REACHED),
    "retype": lambda: retyped(GRAPH, REACHED),
    "forms": lambda: candidate_forms(GRAPH, TOY, REACHED),
    "certificate": lambda: certify(GRAPH, {}, REACHED, {}),
    "choices": lambda: choices(TOY, TOY.shape),
    "cycles": lambda: layer_cycles(TOY, TOY.shape, 1, 1),
    "least cycles": lambda: least_cycles(GRAPH, TOY),
    "folding": lambda: fold(GRAPH, 100),
    "solver": lambda: Survey(GRAPH, 100, 100, Candidates({}, {}, {})).nodes(),
    "orders": lambda: takes(TOY, 3, Wired()),
    "decisions": lambda: decide(GRAPH, Plan(), Candidates({}, {}, {})),
    "lowering": lambda: lower(GRAPH, {"x": Entering(lanes=1), "toy": Wired()}, {}),
    "reference": lambda: reference.run(GRAPH, [np.zeros((1, *TOY.shape), dtype=np.int64)]),
    "operation": lambda: reference.compute(GRAPH, TOY, np.zeros((1, *TOY.shape), dtype=np.int64)),
    "export": lambda: to_onnx(GRAPH),
    "export, sums": lambda: held(TOY, GRAPH, REACHED, {}),
}


@pytest.mark.parametrize("phase", PHASES)
def test_the_compiler_stops(phase: str) -> None:
    with pytest.raises(AssertionError, match=r"^Expected code to be unreachable, but got: Negate\(name='toy'"):
        PHASES[phase]()


def test_the_graph_is_refused() -> None:
    with pytest.raises(BitwrightError) as error:
        verify(GRAPH)
    assert str(error.value) == (
        "layer 'toy': 'negate' is no kind of layer\n"
        "  hint: known kinds: input, dense, conv, maxpool, sumpool, sum, multiply, concat, requantise, table, argmax, "
        "gather, reshape"
    )


def test_a_kind_that_extends_another_is_none() -> None:
    """It would be taken for the kind that it extends."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Reshape(LAYERS["reshape"]):  # type: ignore[name-defined,misc]
        """Not ours, under our name."""

    with pytest.raises(BitwrightError, match=r"^layer 'toy': 'reshape' is no kind of layer\n"):
        verify(Graph(GRAPH.inputs, (Reshape(name="toy", inputs=("x",), **PLAIN),), ("toy",)))


def test_files_of_it_are_not_read(tmp_path: Path) -> None:
    saved = to_bytes(GRAPH)
    with pytest.raises(BitwrightError, match=r"layers\[0\]: expected a layer with an op of .*, found 'negate'"):
        from_bytes(saved)
    with pytest.raises(BitwrightError, match=r"^line 2: expected one of input, dense, .*, found negate\n"):
        parse(print_graph(GRAPH))
    (tmp_path / "graph.bw").write_bytes(saved)
    (tmp_path / "certificate.json").write_text(json.dumps([]))
    with pytest.raises(CheckError, match=r"^graph\.bw: layer 'toy' has the op 'negate', which is not known$"):
        check(tmp_path)


def test_every_kind_has_an_operator() -> None:
    assert set(WRITERS) == {kind for kind in LAYERS.values() if issubclass(kind, AnyLayer)}
