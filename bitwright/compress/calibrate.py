# SPDX-License-Identifier: Apache-2.0
"""Calibration: the float model runs once on the data; what its tensors held serves every bit-width afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from bitwright.compress.ranges import Values
from bitwright.compress.sites import FloatModel, float_model
from bitwright.ir.errors import BitwrightError

CHUNK = 64
"""Samples per run where the model leaves the batch open; bounds the memory for intermediate tensors."""
SAMPLE = 1 << 15
"""Values kept of each tensor, evenly spaced; the extremes come from all of them."""

FAILURES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What onnx's evaluator raises on a model whose shapes or attributes do not fit together."""


@dataclass(frozen=True)
class Calibration:
    """A float model and the values its quantised tensors held on the calibration data."""

    float_model: FloatModel
    values: Mapping[str, Values]


def calibrate(model: onnx.ModelProto, calibration: Sequence[NDArray[Any]]) -> Calibration:
    """Runs `model` on `calibration` (one float array per model input, samples on axis 0)."""
    checked = float_model(model)
    check_arrays(checked.inputs, calibration, "calibration data")
    names = [site.tensor for site in checked.sites]
    kept: dict[str, list[Values]] = {name: [] for name in names}
    for tensors in _run(checked, calibration):
        for name in names:
            kept[name].append(_sample(name, tensors[name], len(calibration[0])))
    return Calibration(checked, {name: _join(parts) for name, parts in kept.items()})


def run_float(model: FloatModel, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The outputs of the float model, samples on axis 0."""
    names = [output.name for output in model.model.graph.output]
    chunks = [[tensors[name] for name in names] for tensors in _run(model, arrays)]
    return [np.concatenate(parts)[: len(arrays[0])] for parts in zip(*chunks, strict=True)]


def _run(model: FloatModel, arrays: Sequence[NDArray[Any]]) -> Iterator[dict[str, NDArray[Any]]]:
    """Every tensor of the float model, chunk by chunk; a fixed batch is filled up by starting over with the data."""
    evaluator = ReferenceEvaluator(model.model)
    fixed = model.inputs[0].type.tensor_type.shape.dim[0].dim_value
    size, count = fixed or CHUNK, len(arrays[0])
    for start in range(0, count, size):
        rows = np.arange(start, start + size) % count if fixed else slice(start, start + size)
        feeds = {entry.name: array[rows].astype(np.float32) for entry, array in zip(model.inputs, arrays, strict=True)}
        try:
            yield dict(evaluator.run(None, feeds, intermediate=True)) | feeds
        except FAILURES as error:
            raise BitwrightError(
                f"the float model cannot be run on the data: {str(error).splitlines()[0]}",
                where=f"graph {model.model.graph.name!r}",
                hint="check that the model runs in another tool on the same data",
            ) from error


def _sample(name: str, tensor: NDArray[Any], samples: int) -> Values:
    """Extremes and evenly spaced values of one chunk of a tensor, as one row."""
    row = np.asarray(tensor, dtype=np.float32).reshape(1, -1)
    if not np.isfinite(row).all():
        raise BitwrightError(
            "holds values that are not finite on the calibration data",
            where=f"tensor {name!r}",
            hint="check the float model and how the data is scaled",
        )
    stride = -(-row.size * samples // (len(tensor) * SAMPLE))
    whole = Values.of(row)
    return Values(row[:, ::stride], whole.low, whole.high)


def _join(parts: Sequence[Values]) -> Values:
    return Values(
        np.concatenate([part.sample for part in parts], axis=1),
        np.min([part.low for part in parts], axis=0),
        np.max([part.high for part in parts], axis=0),
    )


def check_arrays(inputs: Sequence[onnx.ValueInfoProto], arrays: Sequence[NDArray[Any]], what: str) -> None:
    """One float array per input, of its shape behind axis 0, with the same number of samples; `what` names them."""
    if len(arrays) != len(inputs):
        raise BitwrightError(
            f"{len(arrays)} arrays for a model with {len(inputs)} inputs",
            where=what,
            hint=f"give one array for each of: {', '.join(entry.name for entry in inputs)}",
        )
    for entry, array in zip(inputs, arrays, strict=True):
        _check_array(entry, array, f"{what} for input {entry.name!r}")
        if len(array) != len(arrays[0]) or len(array) == 0:
            raise BitwrightError(
                f"{len(array)} samples" + (f" beside {len(arrays[0])}" if len(array) else ""),
                where=f"{what} for input {entry.name!r}",
                hint="give the same number of samples, at least one, for every input",
            )


def _check_array(entry: onnx.ValueInfoProto, array: NDArray[Any], where: str) -> None:
    tensor = entry.type.tensor_type
    if array.dtype.kind != "f" or helper.tensor_dtype_to_np_dtype(tensor.elem_type).kind != "f":
        declared = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        raise BitwrightError(
            f"dtype {array.dtype}, where the model takes {declared}",
            where=where,
            hint="only float inputs can be calibrated; give real values as float32",
        )
    sizes = [dim.dim_value for dim in tensor.shape.dim]
    fits = array.ndim == len(sizes) and all(
        size in (0, have) for size, have in zip(sizes[1:], array.shape[1:], strict=True)
    )
    if not fits:
        shape = ", ".join(["N", *(str(size or "?") for size in sizes[1:])])
        raise BitwrightError(
            f"shape {array.shape}, where the model takes ({shape})", where=where, hint="samples stack on axis 0"
        )
