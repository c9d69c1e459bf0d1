# SPDX-License-Identifier: Apache-2.0
"""What `import bitwright` offers: load, run, compile, verify, inspect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright import inspecting, origin, verifying
from bitwright.audit import verdict
from bitwright.backends.onnx import export as onnx_backend
from bitwright.check import CheckError, check
from bitwright.compiling import compile_graph
from bitwright.compress import State
from bitwright.design import Design
from bitwright.frontend.inputs import InputType, edge_types
from bitwright.frontend.lowering import load_onnx
from bitwright.hardware.clocks.fifos import Sizing
from bitwright.hardware.plan import Plan
from bitwright.ir import files
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.host import TensorSpec
from bitwright.ir.layers import Input
from bitwright.ir.weights import Ints
from bitwright.reading.open_sizes import Shape
from bitwright.reading.read import beginning
from bitwright.sim import whole
from bitwright.sim.engines import ENGINES, REFERENCE, Built, best, find, missing

inspect = inspecting.inspect

Array = NDArray[Any]
ROUNDINGS = ("onnx", "torch")


def load(
    model: str | Path | bytes | onnx.ModelProto,
    inputs: Mapping[str, str] | None = None,
    rounding: str = "onnx",
    *,
    shapes: Mapping[str, Shape] | None = None,
    outputs: Sequence[str] = (),
    quantise: Mapping[str, str] | None = None,
) -> Graph:
    """The graph of an ONNX model of any supported dialect, or of a graph that bitwright saved.

    `inputs` types real-valued inputs ({"x": "s16.8"}); `rounding` is "onnx" (divide by the scale) or "torch" (multiply
    by its float32 reciprocal). `shapes` fills in sizes that the file leaves open, of an input or of a dimension by its
    name ({"x": (1, 3, 96, 96)}, {"H": 96}). The network ends at `outputs`, tensors or nodes of the file by name; what
    lies behind them is left off, and listed in `net.host`. `quantise` puts one more quantiser on each edge that it
    names ({"Relu_22_0": "s16.8"}), for sums between few quantisers that no common grid holds. Raises BitwrightError.
    """
    if rounding not in ROUNDINGS:
        raise BitwrightError(f"there is no rounding '{rounding}'", where="--rounding", hint="onnx or torch")
    if isinstance(model, str | Path) and files.is_saved(beginning(model)):
        return files.saved(Path(model), types=inputs, shapes=shapes, outputs=outputs, quantisers=quantise)
    types = {name: InputType.parse(text, where=f"--input {name}") for name, text in (inputs or {}).items()}
    quantise = quantise or {}
    edges = edge_types(quantise)
    graph = load_onnx(model, inputs=types, rounding=rounding, shapes=shapes or {}, outputs=outputs, quantise=edges)
    return origin.remember(graph, model, inputs or {}, shapes or {}, outputs, quantise)


def run(
    net: Graph,
    x: Array | Sequence[Array],
    engine: str | None = None,
    codes: bool = False,
    progress: Callable[[int], None] = lambda samples: None,
) -> Any:
    """The model's outputs for `x` (one array, or one per input; samples on axis 0), a list if there are several.

    `engine` is `fast` where it is built or worth building, else `reference`, unless named; see `engines`. With `codes`
    the integers that leave the accelerator, int64, channels last. `x` may lie on the disk (`np.memmap`): a piece of it
    is read at a time, and `progress` is told how many samples are done.
    """
    feeds = feeds_of(net, as_list(x))
    ready = _ready(net, engine or best(net.macs * len(as_list(x)[0])))
    results = whole.codes(net, feeds, ready) if codes else whole.outputs(net, feeds, ready, progress)
    return results[0] if len(results) == 1 else results


def engines() -> dict[str, str]:
    """Every engine by name: empty if it can run here, else what it lacks and how to get it."""
    return {name: missing(engine) for name, engine in ENGINES.items()}


def compile(
    net: Graph,
    *,
    cycles: int | None = None,
    fps: float | None = None,
    clock_ns: float = 10.0,
    part: str | None = None,
    plan: Plan | None = None,
    name: str | None = None,
    force: bool = False,
    fifos: Sizing = "exact",
) -> Design:
    """The design of `net`: at most `cycles` clocks per frame, or `fps` frames per second, or the given `Plan`.

    `name` is what its top, namespace, IP and driver are called; without one they are called after the model's file. A
    design that does not fit `part` is refused, unless by `force`. `fifos` "fast" takes safe depths, at once.
    """
    asked: dict[str, Any] = {"clock_ns": clock_ns, "part": part, "plan": plan, "name": name, "force": force}
    return compile_graph(net, cycles=cycles, fps=fps, **asked, fifos=fifos)


def to_onnx(net: Graph) -> onnx.ModelProto:
    """`net` as an ONNX model: QDQ, or QONNX where needed (`docs/export.md`), that computes the same integers.

    `load` reads it back, to an equal graph where `load` or `quantize` made it, and others run it (Chen, Moreau, Jiang
    et al.: "TVM: an automated end-to-end optimizing compiler for deep learning", OSDI 2018; R176). Raises
    BitwrightError where no operator states a layer exactly.
    """
    return onnx_backend.to_onnx(net)


def written(state: State, x: Sequence[Array], where: Path) -> bytes:
    """What `state.save` writes, once it is read again and computes of `x` what the state's graph does."""
    content = state.onnx()
    pairs = zip(*(as_list(run(net, x)) for net in (load(content), state.graph())), strict=True)
    if not all(np.array_equal(ours, theirs) for ours, theirs in pairs):
        hint = "please report it with the model and the data; bitwright.quantize gives the network without a file"
        raise BitwrightError("would be read as another network", where=str(where), hint=hint)
    return content


def describe_onnx(model: onnx.ModelProto) -> dict[str, Any]:
    """The dialect, the opset and the number of nodes of an exported model."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    return {"dialect": onnx_backend.dialect(model), "opset": opsets[""], "nodes": len(model.graph.node)}


def verify(
    net: Graph,
    x: Array | Sequence[Array],
    outputs: Array | Sequence[Array] | None = None,
    *,
    engines: Sequence[str] | None = None,
    design: Design | None = None,
    samples: int | None = None,
    trace: bool = False,
) -> dict[str, Any]:
    """The engines against one another, and the integers against `outputs`; the keys are those of `verify --json`.

    The measure is the reference where it is asked for, else the engine that `run` takes, of which a tenth of the
    samples, at least one, is compared with the reference. `engines` is that engine unless given. Under `certificate`,
    `layers` make a claim (moves make none) and `proved` of these were proved again in this run. Differences from
    `outputs` are audited (`docs/audit.md`) if `net` was loaded from ONNX. With `trace` the result also names the first
    integer of each sample at which a float32 run of the source model parts from ours.
    """
    arrays = [array[:samples] for array in as_list(x)]
    quickest = best(net.macs * len(arrays[0]))
    asked = {name: find(name, "--engines") for name in (engines or (quickest,))}
    measure = REFERENCE if REFERENCE in asked else quickest
    wanted = None if outputs is None else [array[:samples] for array in as_list(outputs)]
    entered = whole.entering(net, feeds_of(net, arrays))
    if design is None and any(engine.needs_design for engine in asked.values()):
        design = compile_graph(net)
    running = {measure: find(measure), **asked}
    ran = {name: verifying.ran(net, engine.build(net, design), entered) for name, engine in running.items()}
    expected = ran[measure].outputs
    rows = {name: verifying.row(outcome, expected) for name, outcome in ran.items() if name in asked}
    if measure != REFERENCE:
        rows[measure] = verifying.spot_check(net, entered, ran[measure])
    return {
        "model": net.source.file,
        "samples": len(entered[0]),
        "engines": rows,
        **verifying.audited(verdict.Run(net, feeds_of(net, arrays), entered, to_real(net, expected)), wanted, trace),
        "host": net.host,
        "certificate": verifying.certified(net, design),
    }


passed = verifying.passed


def recheck(folder: str | Path) -> dict[str, Any]:
    """Every certificate of a compiled design proved again, independently of the compiler, as `check --json` prints it.

    `proved` of `layers` hold; `verdicts` says of each layer what does not. Raises BitwrightError.
    """
    try:
        verdicts = [asdict(verdict) for verdict in check(Path(folder))]
    except CheckError as error:
        raise BitwrightError(
            str(error), where=str(folder), hint="give a folder that `bitwright compile` wrote"
        ) from error
    proved = sum(verdict["ok"] for verdict in verdicts)
    return {"folder": str(folder), "layers": len(verdicts), "proved": proved, "verdicts": verdicts}


def to_codes(net: Graph, x: Array | Sequence[Array]) -> list[Ints]:
    """The integers that enter the accelerator for the model's inputs, channels last, int64."""
    return [np.asarray(array, dtype=np.int64) for array in whole.entering(net, feeds_of(net, as_list(x)))]


def feeds_of(net: Graph, arrays: Sequence[Array]) -> dict[str, Array]:
    """The model's inputs by name, each of the shape that the model declares behind the samples."""
    entry = net.entry
    if len(arrays) != len(entry.inputs):
        raise BitwrightError(
            f"got {len(arrays)} arrays for {len(entry.inputs)} inputs",
            where="inputs",
            hint="the model takes " + ", ".join(f"'{name}'" for name in entry.inputs),
        )
    feeds = {}
    for name, spec, array in zip(entry.inputs, entry.specs, arrays, strict=True):
        _check_samples(array, spec, arrays[0].shape[:1], f"input '{name}'")
        feeds[name] = array.reshape(len(array), *spec.shape)
    if not net.before.inputs:
        for layer in net.inputs:
            _check_codes(feeds[layer.name], layer)
    return feeds


def _check_samples(array: Array, spec: TensorSpec, samples: tuple[int, ...], where: str) -> None:
    """Refuse samples that do not have the declared shape and type, or that no quantiser has a code for."""
    if array.ndim < 1 or len(array) == 0 or prod(array.shape[1:]) != prod(spec.shape):
        raise BitwrightError(
            f"has shape {array.shape}, the model takes (samples, {', '.join(map(str, spec.shape))})",
            where=where,
            hint="stack the samples on axis 0",
        )
    if array.shape[:1] != samples:
        raise BitwrightError(
            f"has {len(array)} samples, the first input {samples[0]}", where=where, hint="give as many of each"
        )
    _check_numbers(array, np.dtype(spec.dtype), where)


def _check_numbers(array: Array, kind: np.dtype[Any], where: str) -> None:
    if kind.kind in "iub" and array.dtype.kind not in "iub":
        raise BitwrightError(f"is {array.dtype}, the model takes {kind}", where=where, hint="give integers")
    if kind.kind in "iu" and not (np.iinfo(kind).min <= array.min() and array.max() <= np.iinfo(kind).max):
        raise BitwrightError(
            f"reaches {array.min()}..{array.max()}, the model takes {kind}", where=where, hint="check its scale"
        )
    if array.dtype.kind == "f" and np.isnan(array.min()):
        raise BitwrightError("holds values that are no numbers", where=where, hint="remove the NaNs")


def _check_codes(codes: Ints, layer: Input) -> None:
    """Refuse integers that are no codes of the input that they enter by."""
    kind = layer.type
    low, high = int(codes.min()), int(codes.max())
    if low < kind.lo or high > kind.hi or (kind.is_bipolar and not bool((codes & 1).all())):
        hint = "the graph takes codes: the real values over the scale, plus the zero point"
        raise BitwrightError(f"reaches {low}..{high}, its type is {kind}", where=f"input '{layer.name}'", hint=hint)


def to_real(net: Graph, codes: Sequence[Ints]) -> list[Array]:
    """The model's outputs for the integers that left the accelerator."""
    return whole.leaving(net, codes)


def _ready(net: Graph, name: str) -> Built:
    """The engine `name`, ready for `net`; the design, if it needs one, is that of `compile` without a target."""
    engine = find(name)
    return engine.build(net, _default_design(net) if engine.needs_design else None)


@lru_cache(maxsize=4)
def _default_design(net: Graph) -> Design:
    return compile_graph(net)


def as_list(x: Array | Sequence[Array]) -> list[Array]:
    """One array, or several, as a list."""
    return [x] if isinstance(x, np.ndarray) else [np.asarray(array) for array in x]
