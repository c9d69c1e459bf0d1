# SPDX-License-Identifier: Apache-2.0
"""Constant folding: what does not depend on the model's inputs becomes an initialiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Array = NDArray[Any]


def fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` whose nodes all depend on its inputs; the others' results are initialisers."""
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    known = constants(model)
    kept = []
    for node in model.graph.node:
        if all(name in known or not name for name in node.input):
            results = _evaluate(node, known, model.opset_import)
            known |= results
            folded.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in results.items())
        else:
            kept.append(node)
    del folded.graph.node[:]
    folded.graph.node.extend(kept)
    _unlist_initialisers(folded)
    return folded


def _unlist_initialisers(model: onnx.ModelProto) -> None:
    """IR versions below 4 list every initialiser as an input too; new ones could not be added without it."""
    model.ir_version = max(model.ir_version, 4)
    entries = [entry for entry in model.graph.input if entry.name not in constants(model)]
    del model.graph.input[:]
    model.graph.input.extend(entries)


def constants(model: onnx.ModelProto) -> dict[str, Array]:
    """The initialisers by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _evaluate(
    node: onnx.NodeProto, known: Mapping[str, Array], opsets: Sequence[onnx.OperatorSetIdProto]
) -> dict[str, Array]:
    """The results of one node on constants."""
    feeds = {name: known[name] for name in node.input if name}
    inputs = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    model = helper.make_model(helper.make_graph([node], "constant", inputs, outputs), opset_imports=opsets)
    results = ReferenceEvaluator(model).run(None, feeds)
    return {name: np.asarray(array) for name, array in zip(node.output, results, strict=True)}
